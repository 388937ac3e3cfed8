package maxconn.flink;

import java.util.Objects;

/** Tells a guest where the records that follow come from, when that is another place than before. */
final class Sources {
    /** A live input's clock is told anew so often. */
    private static final long CLOCK_MS = 60_000;

    private String path;
    private long modifiedMs = MaxconnGuest.NO_TIME;
    private long toldMs = MaxconnGuest.NO_TIME;
    private boolean isFile;

    /** Call it before each record; it is cheap when nothing changed. */
    void tell(MaxconnGuest guest, LogRecord record, long nowMs) {
        if (record.isFromFile()) {
            if (!isFile || modifiedMs != record.modifiedMs() || !Objects.equals(path, record.source())) {
                describe(guest, record);
                isFile = true;
                path = record.source();
                modifiedMs = record.modifiedMs();
            }
        } else if (isFile || toldMs == MaxconnGuest.NO_TIME || nowMs - toldMs >= CLOCK_MS) {
            guest.source(null, null, nowMs);
            isFile = false;
            toldMs = nowMs;
        }
    }

    static void describe(MaxconnGuest guest, LogRecord record) {
        boolean isUndated = record == null || record.modifiedMs() == MaxconnGuest.NO_TIME;
        guest.source(record == null ? null : record.source(), isUndated ? null : record.modifiedMs(), null);
    }
}
