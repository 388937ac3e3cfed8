package maxconn.flink;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The unique position of a Kafka record as bytes, which make its {@code event.id}. Made anew only for another
 * partition.
 */
final class Position {
    private static final byte[] NOTHING = {};

    private String topic;
    private int partition;
    private ByteBuffer bytes;

    /** Valid until the next call. A file's line has none: its path and offset tell it. */
    byte[] of(LogRecord record) {
        if (record.isFromFile()) {
            return NOTHING;
        }
        if (record.partition() != partition || !record.source().equals(topic)) {
            topic = record.source();
            partition = record.partition();
            byte[] name = topic.getBytes(StandardCharsets.UTF_8);
            bytes = ByteBuffer.allocate(name.length + 1 + Integer.BYTES + Long.BYTES);
            bytes.put(name).put((byte) 0).putInt(partition);
        }
        bytes.putLong(bytes.capacity() - Long.BYTES, record.offset());
        return bytes.array();
    }
}
