package maxconn.flink;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.connector.file.src.util.RecordAndPosition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LineFormatTest {
    @TempDir
    Path folder;

    @Test
    void linesHaveOffsetsAndEmptyOnesAreNone() throws IOException {
        assertEquals(List.of("0 a", "3 b\r", "6 c"), all(write("a\n\nb\r\nc".getBytes(UTF_8), false), 0));
        assertEquals(List.of(), all(write("\n\n".getBytes(UTF_8), false), 0));
        assertEquals(List.of(), all(write(new byte[0], false), 0));
    }

    @Test
    void gzipIsToldByItsContentsAndMayHaveSeveralMembers() throws IOException {
        Path file = write("a\nb".getBytes(UTF_8), true);
        byte[] member = Files.readAllBytes(file);
        ByteArrayOutputStream two = new ByteArrayOutputStream();
        two.writeBytes(member);
        two.writeBytes(member);
        Files.write(file, two.toByteArray());
        assertEquals(List.of("0 a", "2 ba", "5 b"), all(file, 0));
    }

    @Test
    void aLineIsCutAtItsLimit() throws IOException {
        byte[] bytes = new byte[2 * LineFormat.LINE_MAX_BYTES + 5];
        new Random(1).nextBytes(bytes);
        for (int at = 0; at < bytes.length; at++) {
            bytes[at] = (byte) (bytes[at] | 0x40);
        }
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        List<Integer> lengths = new ArrayList<>();
        for (RecordAndPosition<LogRecord> line : read(write(bytes, false), 0)) {
            joined.writeBytes(line.getRecord().value());
            lengths.add(line.getRecord().value().length);
        }
        assertEquals(List.of(LineFormat.LINE_MAX_BYTES, LineFormat.LINE_MAX_BYTES, 5), lengths);
        assertArrayEquals(bytes, joined.toByteArray());
    }

    @Test
    void itGoesOnFromAnyPosition() throws IOException {
        StringBuilder text = new StringBuilder();
        Random random = new Random(2);
        for (int line = 0; line < 3_000; line++) {
            text.append("x".repeat(random.nextInt(300))).append(line).append('\n');
        }
        for (boolean isPacked : new boolean[] {false, true}) {
            Path file = write(text.toString().getBytes(UTF_8), isPacked);
            List<RecordAndPosition<LogRecord>> whole = read(file, 0);
            List<String> lines = all(file, 0);
            for (int at : new int[] {0, 1, 1_700, 2_998, 2_999}) {
                assertEquals(lines.subList(at + 1, lines.size()), all(file, whole.get(at).getOffset()));
            }
        }
    }

    private Path write(byte[] bytes, boolean isPacked) throws IOException {
        Path file = folder.resolve("log");
        if (!isPacked) {
            return Files.write(file, bytes);
        }
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write(bytes);
        }
        return file;
    }

    private static List<String> all(Path file, long from) throws IOException {
        List<String> lines = new ArrayList<>();
        for (RecordAndPosition<LogRecord> line : read(file, from)) {
            lines.add(line.getRecord().offset() + " " + new String(line.getRecord().value(), UTF_8));
        }
        return lines;
    }

    private static List<RecordAndPosition<LogRecord>> read(Path file, long from) throws IOException {
        var path = new org.apache.flink.core.fs.Path(file.toUri());
        long size = Files.size(file);
        var split = new FileSourceSplit("1", path, 0, size, 7, size);
        var format = new LineFormat();
        List<RecordAndPosition<LogRecord>> lines = new ArrayList<>();
        try (var reader = from == 0
                ? format.createReader(null, split)
                : format.restoreReader(null, split.updateWithCheckpointedPosition(new CheckpointedPosition(from, 0)))) {
            for (var batch = reader.readBatch(); batch != null; batch = reader.readBatch()) {
                for (var line = batch.next(); line != null; line = batch.next()) {
                    lines.add(line);
                }
                batch.releaseBatch();
            }
        }
        return lines;
    }
}
