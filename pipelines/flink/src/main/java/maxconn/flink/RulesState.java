package maxconn.flink;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.runtime.state.StateInitializationContext;

/** Which rules wrote a step's keyed state, and how far its watermark was: each subtask is told of all. */
final class RulesState {
    private static final int FORMAT = 1;

    private final ListState<byte[]> kept;

    /** The rules that wrote the state; null if there is none. */
    Rules before;
    /** The watermark then. */
    long watermarkMs = MaxconnGuest.NO_TIME;

    RulesState(StateInitializationContext context) throws Exception {
        kept = context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>(
                "rules", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
        for (byte[] bytes : kept.get()) {
            read(bytes);
        }
    }

    void keep(Rules rules, long nowMs) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(FORMAT);
            out.writeLong(nowMs);
            out.writeLong(rules.redaction());
            out.writeInt(rules.list().size());
            for (Rule rule : rules.list()) {
                out.writeUTF(rule.name());
                out.writeInt(rule.stage());
                out.writeLong(rule.identity());
                out.writeLong(rule.window());
            }
        }
        kept.update(List.of(bytes.toByteArray()));
    }

    private void read(byte[] bytes) throws IOException {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            int format = in.readInt();
            if (format != FORMAT) {
                throw new IOException("the state of the rules has format " + format + ", this program reads " + FORMAT
                        + "; start it with the jar that wrote the savepoint, or without the savepoint");
            }
            watermarkMs = Math.max(watermarkMs, in.readLong());
            long redaction = in.readLong();
            List<Rule> list = new ArrayList<>();
            for (int left = in.readInt(); left > 0; left--) {
                list.add(new Rule(in.readUTF(), in.readInt(), in.readLong(), in.readLong()));
            }
            before = new Rules(list, redaction);
        }
    }
}
