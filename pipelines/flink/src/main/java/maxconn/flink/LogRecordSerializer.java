package maxconn.flink;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes records that go over the network or wait in a state. */
final class LogRecordSerializer extends ValueSerializer<LogRecord> {
    private static final long serialVersionUID = 1;

    static final LogRecordSerializer INSTANCE = new LogRecordSerializer();

    @Override
    public void serialize(LogRecord record, DataOutputView out) throws IOException {
        writeBytes(record.value(), out);
        writeBytes(record.key(), out);
        writeBytes(record.headers(), out);
        out.writeUTF(record.source());
        out.writeInt(record.partition());
        out.writeLong(record.offset());
        out.writeLong(record.timeMs());
        out.writeLong(record.modifiedMs());
    }

    @Override
    public LogRecord deserialize(DataInputView in) throws IOException {
        return new LogRecord(
                readBytes(in), readBytes(in), readBytes(in), in.readUTF(), in.readInt(), in.readLong(), in.readLong(),
                in.readLong());
    }

    @Override
    public TypeSerializerSnapshot<LogRecord> snapshotConfiguration() {
        return new RecordFormat();
    }

    /** The version of this format. */
    public static final class RecordFormat extends Format<LogRecord> {
        @Override
        public TypeSerializer<LogRecord> restoreSerializer() {
            return INSTANCE;
        }
    }
}
