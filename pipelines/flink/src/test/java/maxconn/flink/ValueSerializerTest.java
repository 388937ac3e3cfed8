package maxconn.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class ValueSerializerTest {
    @Test
    void recordsComeBackAsTheyWere() throws IOException {
        LogRecord record = new LogRecord(new byte[] {1, 2}, new byte[0], new byte[] {3}, "thème", 7, 1L << 40, -5, 9);
        LogRecord back = again(record, LogRecordSerializer.INSTANCE);
        assertArrayEquals(record.value(), back.value());
        assertArrayEquals(record.key(), back.key());
        assertArrayEquals(record.headers(), back.headers());
        assertEquals("thème/7/1099511627776/-5/9",
                back.source() + "/" + back.partition() + "/" + back.offset() + "/" + back.timeMs() + "/"
                        + back.modifiedMs());
        assertNull(again(LogRecord.line(new byte[0], "x", 0, 0), LogRecordSerializer.INSTANCE).key());
    }

    @Test
    void headersOfAnyLengthComeBackAsTheyWere() {
        String longest = "ü".repeat(70_000);
        RecordHeaders headers = new RecordHeaders();
        headers.add("", null).add(longest, new byte[0]).add("a", new byte[] {1}).add("a", null);
        RecordHeaders back = new RecordHeaders();
        KafkaHeaders.unpack(KafkaHeaders.pack(headers), back);
        assertEquals(headers, back);
    }

    @Test
    void eventsComeBackAsTheyWere() throws IOException {
        Event event = new Logs(Logs.DEFAULTS).event(Logs.refusal("a", "198.51.100.7", 3, 4, Logs.START_MS));
        Event back = again(event.after(true, new byte[] {9}), EventSerializer.INSTANCE);
        assertEquals(0, event.compareTo(back));
        assertArrayEquals(event.bytes(), back.bytes());
        assertArrayEquals(event.rules(), back.rules());
        assertArrayEquals(event.keys(), back.keys());
        assertArrayEquals(new byte[] {9}, back.flood());
        assertTrue(back.isHeldBack());
        EndTimes times = new EndTimes();
        times.line(5);
        Event end = again(Event.end(times, "end-1"), EventSerializer.INSTANCE);
        assertTrue(end.isEnd() && end.rules()[2] == 5 && end.keys()[0].equals("end-1"));
    }

    @Test
    void anotherVersionOfTheFormatIsRefused() throws IOException {
        TypeSerializerSnapshot<Event> now = EventSerializer.INSTANCE.snapshotConfiguration();
        TypeSerializerSnapshot<Event> same = EventSerializer.INSTANCE.snapshotConfiguration();
        same.readSnapshot(now.getCurrentVersion(), null, null);
        assertTrue(now.resolveSchemaCompatibility(same).isCompatibleAsIs());
        same.readSnapshot(now.getCurrentVersion() + 1, null, null);
        assertTrue(now.resolveSchemaCompatibility(same).isIncompatible());
    }

    private static <T> T again(T value, TypeSerializer<T> serializer) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        serializer.serialize(value, out);
        DataInputDeserializer in = new DataInputDeserializer(out.getCopyOfBuffer());
        T back = serializer.deserialize(in);
        assertEquals(0, in.available());
        return back;
    }
}
