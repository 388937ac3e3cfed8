package maxconn.flink;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import maxconn.flink.guest.Embed;
import run.endive.runtime.ByteArrayMemory;
import run.endive.runtime.ExportFunction;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;

/**
 * The embed guest, compiled to Java when this was built. Its interface is that of pipelines/embed/README.md.
 *
 * <p>For one thread: each operator makes its own in {@code open()}. Output is read by {@link #output}, {@link #i32},
 * {@link #i64} until the next call. Lengths count bytes, times are ms since the Unix epoch.
 */
public final class MaxconnGuest {
    /** Stands for "no time". */
    public static final long NO_TIME = Long.MIN_VALUE;
    /** What {@link #observe} answers when something else goes on in the record's place. */
    public static final int GOES_ON = -2;
    /** A key is as many hex digits. */
    static final int KEY_BYTES = 32;

    private static final int ABI_VERSION = 1;
    private static final int REFUSED = 1;
    /** Most records are shorter; the buffer grows when one is not. */
    private static final int INPUT_BYTES = 64 * 1024;
    /** The guest's own limit of its input. Whatever is longer is cut by whoever gives it. */
    static final int INPUT_MAX_BYTES = 8 * 1024 * 1024;

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final byte[] NOTHING = {};

    private final Memory memory;
    private final ExportFunction input;
    private final ExportFunction output;
    private final ExportFunction configure;
    private final ExportFunction source;
    private final ExportFunction rules;
    private final ExportFunction observe;
    private final ExportFunction enrich;
    private final ExportFunction drive;
    private final ExportFunction lineTimes;
    private final ExportFunction statistics;
    private int inputAddress;
    private int inputCapacity;
    private int bytesAddress;
    private int bytesLength;

    /** A guest with the configuration of that JSON, {@code {}} for what is built in. */
    public MaxconnGuest(byte[] configuration) {
        Instance instance = Instance.builder(Embed.load())
                .withMachineFactory(Embed::create)
                .withMemoryFactory(ByteArrayMemory::new)
                .build();
        memory = instance.memory();
        long version = instance.export("maxconn_abi_version").apply()[0];
        if (version != ABI_VERSION) {
            throw new IllegalStateException("the guest speaks version " + version + " of the ABI, this program "
                    + ABI_VERSION + "; build it with `make flink`");
        }
        input = instance.export("maxconn_input");
        output = instance.export("maxconn_output");
        configure = instance.export("maxconn_configure");
        source = instance.export("maxconn_source");
        rules = instance.export("maxconn_rules");
        observe = instance.export("maxconn_observe");
        enrich = instance.export("maxconn_enrich");
        drive = instance.export("maxconn_drive");
        lineTimes = instance.export("maxconn_line_times");
        statistics = instance.export("maxconn_statistics");
        put(configuration, NOTHING, NOTHING);
        checked(configure.apply(configuration.length));
    }

    /** The rules in force. */
    public Rules rules() {
        int count = answer(rules.apply());
        if (count == 0) {
            readOutput();
        }
        List<Rule> list = new ArrayList<>();
        int at = 0;
        for (int number = 0; number < count; number++) {
            int stage = memory.read(bytesAddress + at) & 0xff;
            int nameLength = (int) memory.readU16(bytesAddress + at + 17);
            String name = new String(memory.readBytes(bytesAddress + at + 19, nameLength), StandardCharsets.UTF_8);
            list.add(new Rule(name, stage, i64(at + 1), i64(at + 9)));
            at += 19 + nameLength;
        }
        return new Rules(List.copyOf(list), i64(at));
    }

    /** Says where the records that follow come from; a member is left out where it is null. */
    public void source(String path, Long referenceMs, Long clockMs) {
        var description = JSON.createObjectNode();
        if (path != null) {
            description.put("path", path);
        }
        if (referenceMs != null) {
            description.put("reference_time_ms", referenceMs);
        }
        if (clockMs != null) {
            description.put("clock_time_ms", clockMs);
        }
        byte[] json = bytes(description);
        put(json, NOTHING, NOTHING);
        checked(source.apply(0, json.length));
    }

    /**
     * Reads a record, and counts it in the statistics. 0: it goes on as it is. n above 0: it counts under n keys, and
     * the output is its time (8 bytes), for each key the rule's number (1 byte) and the key (32), then the event.
     * {@link #GOES_ON}: the output goes on in its place.
     */
    public int observe(byte[] record, long timeMs, long offset, byte[] position) {
        put(record, position, NOTHING);
        return answer(observe.apply(record.length, timeMs, offset, position.length));
    }

    /**
     * Writes the document of an event that goes on: with the time that {@link #observe} said, and its first flood's
     * id. Null where the record is no event under this configuration.
     */
    public byte[] enrich(byte[] record, long timeMs, long offset, byte[] position, byte[] flood) {
        put(record, position, flood);
        long[] result = enrich.apply(record.length, timeMs, offset, position.length, flood.length);
        if ((int) result[0] == REFUSED) {
            return null;
        }
        checked(result);
        return output(0, bytesLength);
    }

    /**
     * Moves a key on. The output is flags (4 bytes; 1: held back, 2: a flood counts it), the next timer (8), the
     * flood (32), the length of the state (4), the state, alerts, one a line.
     */
    public void drive(What what, int rule, byte[] state, int stateStart, byte[] bytes, long timeMs) {
        int stateLength = state.length - stateStart;
        reserve(stateLength + bytes.length);
        memory.write(inputAddress, state, stateStart, stateLength);
        memory.write(inputAddress + stateLength, bytes, 0, bytes.length);
        checked(drive.apply(what.ordinal(), rule, stateLength, bytes.length, timeMs));
    }

    /** What happens to a key, in the order of the ABI's numbers. */
    public enum What { EVENT, TIMER, END_OF_INPUT, SILENCE, RULE_GONE, OTHER_WINDOW, RULE_GONE_NAMES_TOO }

    /** The times of lines, each with its newline; {@link #NO_TIME} where one has none. */
    public long[] lineTimes(byte[] lines) {
        put(lines, NOTHING, NOTHING);
        long[] times = new long[answer(lineTimes.apply(lines.length))];
        for (int line = 0; line < times.length; line++) {
            times[line] = i64(8 * line);
        }
        return times;
    }

    /** What the guest has counted, as the statistics document has it. */
    public JsonNode statistics() {
        checked(statistics.apply());
        try {
            return JSON.readTree(output(0, bytesLength)).at("/maxconn/statistics");
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** How large the guest's memory is, in bytes. */
    public long memoryBytes() {
        return (long) memory.pages() * Memory.PAGE_SIZE;
    }

    /** How many bytes of output there are. */
    public int outputLength() {
        return bytesLength;
    }

    /** A copy of output. */
    public byte[] output(int from, int to) {
        return memory.readBytes(bytesAddress + from, to - from);
    }

    /** A number of the output, little endian. */
    public int i32(int at) {
        return memory.readInt(bytesAddress + at);
    }

    /** A number of the output, little endian. */
    public long i64(int at) {
        return memory.readLong(bytesAddress + at);
    }

    /** A byte of the output. */
    public byte i8(int at) {
        return memory.read(bytesAddress + at);
    }

    private void put(byte[] first, byte[] second, byte[] third) {
        reserve(first.length + second.length + third.length);
        int at = inputAddress;
        memory.write(at, first, 0, first.length);
        memory.write(at += first.length, second, 0, second.length);
        memory.write(at + second.length, third, 0, third.length);
    }

    private void reserve(int length) {
        if (length <= inputCapacity && inputAddress != 0) {
            return;
        }
        int capacity = Math.max(length, INPUT_BYTES);
        inputAddress = (int) input.apply(capacity)[0];
        if (inputAddress == 0) {
            throw new GuestException("", capacity + " bytes are more than the guest takes at once",
                    "cut records at 1 MiB before they come here");
        }
        inputCapacity = capacity;
    }

    /** Reads where the output is; a record without an event, nearly every one, has none. */
    private int answer(long[] result) {
        int answer = (int) result[0];
        if (answer == 0) {
            bytesLength = 0;
            return 0;
        }
        if (answer == -1) {
            throw new IllegalStateException("the guest says that the arguments make no sense; "
                    + "this is a fault of this program");
        }
        readOutput();
        return answer;
    }

    private void checked(long[] result) {
        int answer = (int) result[0];
        readOutput();
        if (answer == REFUSED) {
            throw refusal();
        }
        if (answer != 0) {
            throw new IllegalStateException("the guest answers " + answer + "; this is a fault of this program");
        }
    }

    private void readOutput() {
        int descriptor = (int) output.apply()[0];
        bytesAddress = memory.readInt(descriptor + 8);
        bytesLength = memory.readInt(descriptor + 12);
    }

    private GuestException refusal() {
        try {
            JsonNode said = JSON.readTree(output(0, bytesLength));
            return new GuestException(said.path("path").asText(), said.path("problem").asText(),
                    said.path("mend").asText());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static byte[] bytes(JsonNode node) {
        try {
            return JSON.writeValueAsBytes(node);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
