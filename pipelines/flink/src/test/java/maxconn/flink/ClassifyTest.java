package maxconn.flink;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

class ClassifyTest {
    private static final String LOGIN = "imap-login: Info: Login: user=<a>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1";
    private static final String DATED =
            "2026-02-01T10:00:00Z mail imap-login: Info: Maximum number of connections from "
            + "user+IP exceeded (mail_max_userip_connections=10): user=<a>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1";
    private static final long DATED_MS = 1_769_940_000_000L;

    @Test
    void recordsWithoutAnEventGoOnAsTheyAreAndInOrder() throws Exception {
        try (var harness = harness(false, false)) {
            List<LogRecord> records = new ArrayList<>();
            records.add(Logs.record(LOGIN, 0, 0, Logs.START_MS));
            records.add(new LogRecord(null, new byte[] {1}, null, "logs", 0, 1, Logs.START_MS, MaxconnGuest.NO_TIME));
            records.add(Logs.record("{\"no\":", 0, 2, Logs.START_MS));
            records.add(new LogRecord(new byte[9 << 20], null, null, "logs", 0, 3, Logs.START_MS,
                    MaxconnGuest.NO_TIME));
            for (LogRecord record : records) {
                harness.processElement(new StreamRecord<>(record));
            }
            List<LogRecord> out = harness.extractOutputValues();
            assertEquals(records.size(), out.size());
            for (int at = 0; at < out.size(); at++) {
                assertSame(records.get(at).value(), out.get(at).value());
            }
            assertNull(harness.getSideOutput(Classify.EVENTS));
        }
    }

    @Test
    void aRecordHasItsOwnTimestampUnlessItsTextIsToBeRead() throws Exception {
        for (boolean isOfText : new boolean[] {false, true}) {
            try (var harness = harness(isOfText, false)) {
                harness.setProcessingTime(Logs.START_MS);
                harness.processElement(new StreamRecord<>(Logs.record(DATED, 0, 0, Logs.START_MS)));
                Event event = events(harness).get(0);
                assertEquals(isOfText ? DATED_MS : Logs.START_MS, event.timeMs());
                // The sink writes it as it came.
                assertEquals(Logs.START_MS, event.record().timeMs());
            }
        }
    }

    @Test
    void theEndOfTheInputIsToldToEverySubtask() throws Exception {
        try (var harness = harness(false, true)) {
            harness.processElement(new StreamRecord<>(LogRecord.line(DATED.getBytes(UTF_8), "/log", 0, DATED_MS)));
            for (int second = 1; second <= 300; second++) {
                String line = "2026-02-01T10:%02d:%02dZ mail x: y".formatted(second / 60, second % 60);
                harness.processElement(new StreamRecord<>(LogRecord.line(line.getBytes(UTF_8), "/log", second,
                        DATED_MS)));
            }
            harness.processWatermark(new Watermark(5));
            assertEquals(1, events(harness).size());
            harness.processWatermark(Watermark.MAX_WATERMARK);
            Event end = events(harness).get(1);
            assertTrue(end.isEnd());
            EndTimes times = new EndTimes();
            times.take(end.rules());
            // The greatest time of a line but one.
            assertEquals(DATED_MS + 299_000, times.endMs(5_000));
        }
    }

    @Test
    void everySubtaskHasAKey() {
        for (int parallelism : new int[] {1, 2, 7, 128}) {
            assertEquals(parallelism, Classify.keysOfSubtasks(128, parallelism).stream().distinct().count());
        }
    }

    private static OneInputStreamOperatorTestHarness<LogRecord, LogRecord> harness(boolean isOfText, boolean isBounded)
            throws Exception {
        TimeSettings time = new TimeSettings(5_000, 305_000, 30_000, 0, isOfText);
        var harness = new OneInputStreamOperatorTestHarness<>(new Classify(Logs.DEFAULTS, time, isBounded));
        harness.setup(LogRecordSerializer.INSTANCE);
        harness.open();
        return harness;
    }

    private static List<Event> events(OneInputStreamOperatorTestHarness<LogRecord, LogRecord> harness) {
        return harness.getSideOutput(Classify.EVENTS).stream().map(StreamRecord::getValue).toList();
    }
}
