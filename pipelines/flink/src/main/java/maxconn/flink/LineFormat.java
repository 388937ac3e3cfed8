package maxconn.flink;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.connector.file.src.util.RecordAndPosition;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.fs.Path;

/**
 * Reads the lines of files, plain or gzip, with their offsets (as unpacked). Empty lines are no records; a line is
 * cut into pieces at 1 MiB.
 */
final class LineFormat implements BulkFormat<LogRecord, FileSourceSplit> {
    private static final long serialVersionUID = 1;

    static final int LINE_MAX_BYTES = 1 << 20;
    private static final int BUFFER_BYTES = 128 * 1024;
    private static final int BATCH_BYTES = 256 * 1024;
    private static final int BATCH_LINES = 2_048;

    @Override
    public Reader createReader(Configuration configuration, FileSourceSplit split) throws IOException {
        return new Reader(split, 0);
    }

    @Override
    public Reader restoreReader(Configuration configuration, FileSourceSplit split) throws IOException {
        return new Reader(split, split.getReaderPosition().map(CheckpointedPosition::getOffset).orElse(0L));
    }

    @Override
    public boolean isSplittable() {
        return false;
    }

    @Override
    public TypeInformation<LogRecord> getProducedType() {
        return LogRecord.TYPE;
    }

    /** Of one file, from one of its bytes on. */
    static final class Reader implements BulkFormat.Reader<LogRecord> {
        private final InputStream in;
        private final String path;
        private final long modifiedMs;
        private final byte[] buffer = new byte[BUFFER_BYTES];
        private int from;
        private int to;
        private byte[] begun = {};
        private long offset;

        Reader(FileSourceSplit split, long start) throws IOException {
            Path file = split.path();
            boolean isLocal = file.toUri().getScheme() == null || file.toUri().getScheme().equals("file");
            path = isLocal ? file.getPath() : file.toString();
            modifiedMs = split.fileModificationTime();
            FSDataInputStream raw = file.getFileSystem().open(file);
            boolean isPacked = isGzip(raw);
            raw.seek(isPacked ? 0 : start);
            in = isPacked ? new GZIPInputStream(new BufferedInputStream(raw, BUFFER_BYTES), BUFFER_BYTES) : raw;
            if (isPacked) {
                in.skipNBytes(start);
            }
            offset = start;
        }

        private static boolean isGzip(FSDataInputStream raw) throws IOException {
            return raw.read() == 0x1f && raw.read() == 0x8b;
        }

        @Override
        public RecordIterator<LogRecord> readBatch() throws IOException {
            List<RecordAndPosition<LogRecord>> batch = new ArrayList<>();
            long startOffset = offset;
            while (batch.size() < BATCH_LINES && offset - startOffset < BATCH_BYTES) {
                if (from == to && !fill()) {
                    if (begun.length > 0) {
                        add(new byte[0], 0, 0, 0, batch);
                    }
                    break;
                }
                takeBuffered(batch);
            }
            return batch.isEmpty() ? null : new Batch(batch.iterator());
        }

        private boolean fill() throws IOException {
            from = 0;
            to = Math.max(0, in.read(buffer));
            return to > 0;
        }

        /** Up to the next end of a line, or of the buffer. */
        private void takeBuffered(List<RecordAndPosition<LogRecord>> batch) {
            int room = LINE_MAX_BYTES - begun.length;
            int end = from;
            while (end < to && buffer[end] != '\n' && end - from < room) {
                end++;
            }
            boolean isLine = end < to && buffer[end] == '\n';
            if (isLine || end - from == room) {
                add(buffer, from, end, isLine ? 1 : 0, batch);
                from = isLine ? end + 1 : end;
            } else {
                begun = joined(buffer, from, end);
                from = end;
            }
        }

        private void add(byte[] bytes, int start, int end, int newline, List<RecordAndPosition<LogRecord>> batch) {
            byte[] value = joined(bytes, start, end);
            begun = new byte[0];
            long itsOffset = offset;
            offset += value.length + newline;
            if (value.length > 0) {
                batch.add(new RecordAndPosition<>(LogRecord.line(value, path, itsOffset, modifiedMs), offset, 0));
            }
        }

        private byte[] joined(byte[] bytes, int start, int end) {
            byte[] whole = Arrays.copyOf(begun, begun.length + end - start);
            System.arraycopy(bytes, start, whole, begun.length, end - start);
            return whole;
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }

    private record Batch(Iterator<RecordAndPosition<LogRecord>> lines) implements BulkFormat.RecordIterator<LogRecord> {
        @Override
        public RecordAndPosition<LogRecord> next() {
            return lines.hasNext() ? lines.next() : null;
        }

        @Override
        public void releaseBatch() {
            // Nothing is used again.
        }
    }
}
