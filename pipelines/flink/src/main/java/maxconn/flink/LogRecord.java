package maxconn.flink;

import org.apache.flink.api.common.typeinfo.TypeInformation;

/**
 * A log record and where it came from. Its arrays are never written to once it is made.
 *
 * @param value its bytes, without a newline at the end
 * @param key the key of a Kafka record, or null
 * @param headers those of a Kafka record as {@link KafkaHeaders} packs them, or null if it has none
 * @param source the topic, or the path of the file
 * @param partition the topic's partition, {@link #NO_PARTITION} for a file
 * @param offset the place in the partition, or the first byte's in the file (as it is unpacked)
 * @param timeMs the timestamp of a Kafka record, {@link MaxconnGuest#NO_TIME} if it has none
 * @param modifiedMs when the file was written last, {@link MaxconnGuest#NO_TIME} if it is no file
 */
public record LogRecord(
        byte[] value, byte[] key, byte[] headers, String source, int partition, long offset, long timeMs,
        long modifiedMs) {
    /** The partition of what is no topic. */
    public static final int NO_PARTITION = -1;
    /** For streams and states. */
    public static final TypeInformation<LogRecord> TYPE = new ValueType<>(LogRecord.class,
            LogRecordSerializer.INSTANCE);

    /** A line of a file. */
    static LogRecord line(byte[] value, String path, long offset, long modifiedMs) {
        return new LogRecord(value, null, null, path, NO_PARTITION, offset, MaxconnGuest.NO_TIME, modifiedMs);
    }

    /** The same place with another value. */
    LogRecord with(byte[] other) {
        return new LogRecord(other, key, headers, source, partition, offset, timeMs, modifiedMs);
    }

    boolean isFromFile() {
        return partition == NO_PARTITION;
    }
}
