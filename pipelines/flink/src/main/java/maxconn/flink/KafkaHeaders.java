package maxconn.flink;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Packs the headers of a record into bytes, in their order: most records have none, and few are ever looked at. */
final class KafkaHeaders {
    private KafkaHeaders() {}

    static boolean isEmpty(Headers headers) {
        return !headers.iterator().hasNext();
    }

    static byte[] pack(Headers headers) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            for (Header header : headers) {
                // Longer ones than writeUTF takes are rare, and must not end the job.
                byte[] key = header.key().getBytes(StandardCharsets.UTF_8);
                out.writeInt(key.length);
                out.write(key);
                byte[] value = header.value();
                out.writeInt(value == null ? -1 : value.length);
                if (value != null) {
                    out.write(value);
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return bytes.toByteArray();
    }

    static void unpack(byte[] packed, Headers into) {
        if (packed == null) {
            return;
        }
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(packed))) {
            while (in.available() > 0) {
                String key = new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
                int length = in.readInt();
                into.add(key, length < 0 ? null : in.readNBytes(length));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
