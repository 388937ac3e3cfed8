package maxconn.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.junit.jupiter.api.Test;

/** What a key costs in a checkpoint: its state, its timer, and its own bytes in both. */
class StateSizeTest {
    private static final int KEYS = 2_000;

    private final Logs logs = new Logs(Logs.DEFAULTS);

    @Test
    void aKeyWithoutAFloodIsSmall() throws Exception {
        for (int events : new int[] {1, 5}) {
            long bytes = bytesPerKey(events);
            System.out.println("a key with " + events + " events and no flood: " + bytes + " bytes");
            assertTrue(bytes <= 150, events + " events: " + bytes);
        }
    }

    /** One event short of a flood, each in a second of its own: no key without a flood has more. */
    @Test
    void theLargestKeyWithoutAFloodIsBounded() throws Exception {
        long bytes = bytesPerKey(29);
        System.out.println("a key with 29 events and no flood: " + bytes + " bytes");
        assertTrue(bytes <= 200, "" + bytes);
    }

    @Test
    void aKeyWithAFloodIsBounded() throws Exception {
        long bytes = bytesPerKey(40);
        System.out.println("a key with a flood: " + bytes + " bytes");
        assertTrue(bytes <= 1_536, "" + bytes);
    }

    /** The difference of two checkpoints, so that what a checkpoint has once does not count. */
    private long bytesPerKey(int events) throws Exception {
        return (checkpointBytes(KEYS, events) - checkpointBytes(KEYS / 2, events)) / (KEYS / 2);
    }

    private long checkpointBytes(int keys, int events) throws Exception {
        try (var harness = StepTest.harness(Logs.DEFAULTS, 0, 1, 0)) {
            harness.open();
            harness.processWatermark(Logs.START_MS - 5_000);
            for (int key = 0; key < keys; key++) {
                for (int event = 0; event < events; event++) {
                    LogRecord record = Logs.refusal("user" + key + "@example.org", "198.51.100." + key % 250, 0,
                            (long) key * events + event, Logs.START_MS + event * 1_000L);
                    harness.processElement(new StreamRecord<>(logs.event(record)));
                }
            }
            harness.processWatermark(Logs.START_MS + 40_000);
            OperatorSubtaskState state = harness.snapshot(1, 1);
            return state.getStateSize();
        }
    }
}
