package maxconn.flink;

/**
 * The time of one partition, as contract §4.1 has it: the greatest event time but one. It goes back only on the word
 * of 64 events in succession; what it is then behind by, {@code shiftMs}, is added to what it lets go, which never
 * goes back.
 */
final class PartitionTime {
    static final long NONE = MaxconnGuest.NO_TIME;
    private static final int MEANT = 64;

    long greatestMs = NONE;
    long timeMs = NONE;
    long shiftMs;

    private int farBehind;
    private long farGreatestMs;
    private long farOtherMs;

    private boolean races = true;
    private long spanStartMs;
    private long spanTimeMs = NONE;

    PartitionTime(long nowMs) {
        spanStartMs = nowMs;
    }

    void take(long eventMs, TimeSettings settings) {
        if (timeMs != NONE && eventMs < timeMs - settings.farMs()) {
            takeFar(eventMs);
            return;
        }
        farBehind = 0;
        long beforeMs = timeMs;
        if (eventMs > greatestMs) {
            timeMs = greatestMs;
            greatestMs = eventMs;
        } else if (eventMs < greatestMs && eventMs > timeMs) {
            timeMs = eventMs;
        }
        // A clock that was behind and is right again: what was added is no longer needed, nor a rest of it.
        long leapMs = beforeMs == NONE ? 0 : timeMs - beforeMs;
        if (shiftMs > 0 && leapMs > settings.farMs()) {
            shiftMs = shiftMs - leapMs > settings.farMs() ? shiftMs - leapMs : 0;
        }
        boolean isFast = spanTimeMs != NONE && timeMs - spanTimeMs > 2 * settings.settleMs();
        if (isFast && !races) {
            races = true;
            spanTimeMs = NONE;
        }
    }

    private void takeFar(long eventMs) {
        if (farBehind == 0) {
            farGreatestMs = NONE;
            farOtherMs = NONE;
        }
        farBehind = Math.min(farBehind + 1, MEANT);
        if (eventMs > farGreatestMs) {
            farOtherMs = farGreatestMs;
            farGreatestMs = eventMs;
        } else if (eventMs < farGreatestMs && eventMs > farOtherMs) {
            farOtherMs = eventMs;
        }
        if (farBehind == MEANT && farOtherMs != NONE) {
            shiftMs += timeMs - farOtherMs;
            greatestMs = farGreatestMs;
            timeMs = farOtherMs;
            farBehind = 0;
            spanTimeMs = NONE;
        }
    }

    /** Whether others wait for it: it is being caught up. */
    boolean races(long nowMs, TimeSettings settings) {
        if (spanTimeMs == NONE && timeMs != NONE) {
            spanTimeMs = timeMs;
            spanStartMs = nowMs;
        }
        if (nowMs - spanStartMs >= settings.settleMs()) {
            races = spanTimeMs != NONE && timeMs - spanTimeMs > 2 * settings.settleMs();
            spanStartMs = nowMs;
            spanTimeMs = timeMs;
        }
        return races;
    }

    /** Up to when what waits may be taken, as far as this partition knows. */
    long watermarkMs(TimeSettings settings) {
        return timeMs == NONE ? NONE : timeMs - settings.latenessMs() + shiftMs;
    }
}
