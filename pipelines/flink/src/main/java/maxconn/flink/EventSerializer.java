package maxconn.flink;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.types.StringValue;

/** Writes events that go over the network or wait in a state. */
final class EventSerializer extends ValueSerializer<Event> {
    private static final long serialVersionUID = 1;

    static final EventSerializer INSTANCE = new EventSerializer();

    @Override
    public void serialize(Event event, DataOutputView out) throws IOException {
        out.writeBoolean(event.isEnd());
        if (!event.isEnd()) {
            LogRecordSerializer.INSTANCE.serialize(event.record(), out);
        }
        out.writeLong(event.timeMs());
        writeBytes(event.bytes(), out);
        out.writeInt(event.rules().length);
        for (long rule : event.rules()) {
            out.writeLong(rule);
        }
        out.writeInt(event.keys().length);
        for (String key : event.keys()) {
            StringValue.writeString(key, out);
        }
        out.writeBoolean(event.isHeldBack());
        writeBytes(event.flood(), out);
    }

    @Override
    public Event deserialize(DataInputView in) throws IOException {
        LogRecord record = in.readBoolean() ? null : LogRecordSerializer.INSTANCE.deserialize(in);
        long timeMs = in.readLong();
        byte[] bytes = readBytes(in);
        long[] rules = new long[in.readInt()];
        for (int number = 0; number < rules.length; number++) {
            rules[number] = in.readLong();
        }
        String[] keys = new String[in.readInt()];
        for (int number = 0; number < keys.length; number++) {
            keys[number] = StringValue.readString(in);
        }
        return new Event(record, timeMs, bytes, rules, keys, in.readBoolean(), readBytes(in));
    }

    @Override
    public TypeSerializerSnapshot<Event> snapshotConfiguration() {
        return new EventFormat();
    }

    /** The version of this format. */
    public static final class EventFormat extends Format<Event> {
        @Override
        public TypeSerializer<Event> restoreSerializer() {
            return INSTANCE;
        }
    }
}
