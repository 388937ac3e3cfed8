package maxconn.flink;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Says up to when events may be taken, from the times of a subtask's partitions.
 *
 * <p>A partition that is being caught up <em>races</em>: its time moves faster than the clock, and others wait for
 * it, so that what belongs together is counted in the order of time. One that keeps pace, is silent or whose clock is
 * slow holds nobody up, nor does one that is behind what was let go already. Reads no clock: the time of day is an
 * argument.
 */
final class PartitionWatermarks {
    /** As {@link PartitionTime#NONE}. */
    static final long NONE = PartitionTime.NONE;

    private final TimeSettings settings;
    private final Map<String, PartitionTime> partitions = new HashMap<>();
    private final Map<String, PartitionTime> restored = new HashMap<>();
    private long startMs = NONE;
    private long firstMs = NONE;
    private long newMs = NONE;
    private boolean isReleased;
    private long watermarkMs = NONE;
    private boolean isIdle;
    private boolean isRestored;

    private String lastSource;
    private int lastPartition;
    private PartitionTime last;

    PartitionWatermarks(TimeSettings settings) {
        this.settings = settings;
    }

    /** An event was read. A time that the machine's clock has not seen yet is taken as now. */
    void take(String source, int partition, long eventMs, long nowMs) {
        if (last == null || partition != lastPartition || !source.equals(lastSource)) {
            last = partition(source, partition, nowMs);
            lastSource = source;
            lastPartition = partition;
        }
        last.take(Math.min(eventMs, nowMs), settings);
    }

    private PartitionTime partition(String source, int partition, long nowMs) {
        String name = name(source, partition);
        PartitionTime known = partitions.get(name);
        if (known == null) {
            known = restored.remove(name);
            if (known == null) {
                known = new PartitionTime(nowMs);
            }
            partitions.put(name, known);
            firstMs = firstMs == NONE ? nowMs : firstMs;
            newMs = nowMs;
        }
        return known;
    }

    /** Judges anew; call it every few hundred ms. */
    void advance(long nowMs) {
        if (isHeld(nowMs)) {
            isIdle = false;
            return;
        }
        long leastMs = Long.MAX_VALUE;
        long greatestMs = NONE;
        for (PartitionTime partition : partitions.values()) {
            long itsMs = partition.watermarkMs(settings);
            greatestMs = Math.max(greatestMs, itsMs);
            if (partition.races(nowMs, settings) && itsMs >= watermarkMs) {
                leastMs = Math.min(leastMs, itsMs);
            }
        }
        isIdle = leastMs == Long.MAX_VALUE;
        watermarkMs = Math.max(watermarkMs, isIdle ? greatestMs : leastMs);
    }

    /**
     * Whether a subtask that started still keeps all back: until for a while no partition was heard of that is new to
     * it. Not for ever: where events are rare, partitions are heard of for hours.
     */
    private boolean isHeld(long nowMs) {
        if (isReleased) {
            return false;
        }
        if (startMs == NONE) {
            startMs = nowMs;
        }
        boolean isQuiet = nowMs - Math.max(startMs, newMs) >= settings.holdMs();
        boolean isTooLong = firstMs != NONE && nowMs - firstMs >= Math.max(settings.settleMs(), settings.holdMs());
        // One without partitions holds nobody up after a while, and begins anew with its first.
        isReleased = firstMs != NONE && (isQuiet || isTooLong);
        return !isReleased && !isQuiet;
    }

    /** Up to when events may be taken; {@link #NONE}: none may. */
    long watermarkMs() {
        return watermarkMs;
    }

    /** Whether nobody need wait for this subtask. */
    boolean isIdle() {
        return isIdle;
    }

    /** Says what the times of the partitions' events were. */
    void tell(EndTimes end) {
        for (PartitionTime partition : partitions.values()) {
            end.event(partition.greatestMs);
            end.event(partition.timeMs);
        }
    }

    /** What is kept of each partition, by its name: its greatest time, its time, its shift. */
    Map<String, long[]> snapshot() {
        Map<String, long[]> all = new HashMap<>();
        for (Map<String, PartitionTime> some : List.of(restored, partitions)) {
            some.forEach((name, time) -> all.put(name, new long[] {time.greatestMs, time.timeMs, time.shiftMs}));
        }
        return all;
    }

    /**
     * Goes on from there. A partition counts once an event of it has come: another subtask may have it now. What
     * several subtasks say of one is as old as when they had it last; the latest is true.
     */
    void restore(String name, long[] times, long nowMs) {
        PartitionTime other = restored.get(name);
        if (other != null && other.timeMs + other.shiftMs >= times[1] + times[2]) {
            return;
        }
        PartitionTime partition = new PartitionTime(nowMs);
        partition.greatestMs = times[0];
        partition.timeMs = times[1];
        partition.shiftMs = times[2];
        restored.put(name, partition);
    }

    /** What one of the subtasks had let go that others waited for: all were let go only as far as the least of them. */
    void restore(long letGoMs) {
        watermarkMs = isRestored ? Math.min(watermarkMs, letGoMs) : letGoMs;
        isRestored = true;
    }

    private static String name(String source, int partition) {
        return source + "/" + partition;
    }
}
