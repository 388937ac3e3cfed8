package maxconn.flink;

/**
 * When the input ended: at the greatest time of its events, or, where that is more than the lateness after the
 * greatest but one, at that; or at the greatest time but one of its last lines, if that is later. One line is no word
 * for a time.
 */
final class EndTimes {
    private static final long NONE = MaxconnGuest.NO_TIME;

    private final long[] events = {NONE, NONE};
    private final long[] lines = {NONE, NONE};

    /** The two greatest different times of all: of events, then of lines. */
    long[] all() {
        return new long[] {events[0], events[1], lines[0], lines[1]};
    }

    void take(long[] all) {
        event(all[0]);
        event(all[1]);
        line(all[2]);
        line(all[3]);
    }

    void event(long timeMs) {
        greater(events, timeMs);
    }

    void line(long timeMs) {
        greater(lines, timeMs);
    }

    long endMs(long latenessMs) {
        boolean isStray = events[1] != NONE && events[0] - events[1] > latenessMs;
        return Math.max(isStray ? events[1] : events[0], lines[1]);
    }

    private static void greater(long[] two, long timeMs) {
        if (timeMs > two[0]) {
            two[1] = two[0];
            two[0] = timeMs;
        } else if (timeMs < two[0] && timeMs > two[1]) {
            two[1] = timeMs;
        }
    }
}
