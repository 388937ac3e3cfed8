package maxconn.flink;

import org.apache.flink.api.common.typeinfo.TypeInformation;

/**
 * A record that counts under keys, on its way through the keyed steps; or, without a record, the end of the input.
 * Its arrays are never written to once it is made.
 *
 * @param record the record; null: the input ends here
 * @param timeMs its time
 * @param bytes the event, as the guest wrote it
 * @param rules the identities of the rules that count it, in the rules' order; at the end: {@link EndTimes#all}
 * @param keys the keys under which they do; at the end: the key of the subtask that is told
 * @param isHeldBack whether a step so far held it back
 * @param flood the first flood that counts it, 32 hex digits; empty if there is none so far
 */
public record Event(
        LogRecord record, long timeMs, byte[] bytes, long[] rules, String[] keys, boolean isHeldBack, byte[] flood)
        implements Comparable<Event> {
    /** For streams and states. */
    public static final TypeInformation<Event> TYPE = new ValueType<>(Event.class, EventSerializer.INSTANCE);

    static final byte[] NO_FLOOD = {};

    static Event of(LogRecord record, long timeMs, byte[] bytes, long[] rules, String[] keys) {
        return new Event(record, timeMs, bytes, rules, keys, false, NO_FLOOD);
    }

    /** The end of the input, for the subtask that has this key. */
    static Event end(EndTimes times, String key) {
        return new Event(null, MaxconnGuest.NO_TIME, NO_FLOOD, times.all(), new String[] {key}, false, NO_FLOOD);
    }

    Event after(boolean wasHeldBack, byte[] countedBy) {
        byte[] first = flood.length == 0 ? countedBy : flood;
        return new Event(record, timeMs, bytes, rules, keys, isHeldBack || wasHeldBack, first);
    }

    boolean isEnd() {
        return record == null;
    }

    /** By time; by place where that is the same. */
    @Override
    public int compareTo(Event other) {
        int order = Long.compare(timeMs, other.timeMs);
        if (order == 0) {
            order = record.source().compareTo(other.record.source());
        }
        if (order == 0) {
            order = Integer.compare(record.partition(), other.record.partition());
        }
        return order == 0 ? Long.compare(record.offset(), other.record.offset()) : order;
    }
}
