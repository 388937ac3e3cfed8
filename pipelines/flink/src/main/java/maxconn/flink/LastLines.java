package maxconn.flink;

import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.Map;

/**
 * The last records of each partition of a bounded source: their times say when the input ended, which a flood's end
 * tells. Nobody reads the time of a record without an event before.
 */
final class LastLines {
    private static final int LINES = 256;

    private final Map<String, LogRecord[]> partitions = new HashMap<>();
    private String lastSource;
    private int lastPartition;
    private LogRecord[] last;
    private int next;
    private final Map<String, Integer> nexts = new HashMap<>();

    void take(LogRecord record) {
        if (record.partition() != lastPartition || !record.source().equals(lastSource)) {
            keepNext();
            lastSource = record.source();
            lastPartition = record.partition();
            last = partitions.computeIfAbsent(name(), name -> new LogRecord[LINES]);
            next = nexts.getOrDefault(name(), 0);
        }
        last[next] = record;
        next = (next + 1) % LINES;
    }

    /** Says what their times are. */
    void tell(EndTimes end, MaxconnGuest guest, TimeSettings settings) {
        for (LogRecord[] ring : partitions.values()) {
            ByteArrayOutputStream lines = new ByteArrayOutputStream();
            LogRecord any = null;
            for (LogRecord record : ring) {
                if (record == null) {
                    continue;
                }
                any = record;
                long toldMs = settings.toldMs(record);
                if (toldMs != MaxconnGuest.NO_TIME) {
                    end.line(toldMs);
                } else if (lines.size() + record.value().length < MaxconnGuest.INPUT_MAX_BYTES) {
                    lines.writeBytes(record.value());
                    lines.write('\n');
                }
            }
            Sources.describe(guest, any);
            for (long timeMs : guest.lineTimes(lines.toByteArray())) {
                end.line(timeMs);
            }
        }
    }

    private void keepNext() {
        if (last != null) {
            nexts.put(name(), next);
        }
    }

    private String name() {
        return lastSource + "/" + lastPartition;
    }
}
