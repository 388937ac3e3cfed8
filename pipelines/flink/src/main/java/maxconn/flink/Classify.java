package maxconn.flink;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.util.OutputTag;

/**
 * Asks the guest about each record. A record without an event goes on at once, byte for byte; one that counts goes
 * out by {@link #EVENTS}. The watermarks are made here, from the times of events alone; those of the source are not
 * used.
 */
public final class Classify extends AbstractStreamOperator<LogRecord>
        implements OneInputStreamOperator<LogRecord, LogRecord>, ProcessingTimeCallback {
    private static final long serialVersionUID = 1;

    /** Records that count under keys. */
    public static final OutputTag<Event> EVENTS = new OutputTag<>("events", Event.TYPE);

    private static final long PERIOD_MS = 200;
    /** Longer records are not read: the guest has no room for them. */
    private static final int READ_MAX_BYTES = MaxconnGuest.INPUT_MAX_BYTES - 64 * 1024;
    private static final int KEYS_AT = 8;
    private static final int KEY_STRIDE = 1 + MaxconnGuest.KEY_BYTES;
    private static final String LET_GO = "";

    private final byte[] configuration;
    private final TimeSettings settings;
    private final boolean isBounded;

    private transient MaxconnGuest guest;
    private transient Rules rules;
    private transient Sources sources;
    private transient Position position;
    private transient PartitionWatermarks watermarks;
    private transient LastLines lastLines;
    private transient GuestMetrics figures;
    private transient ListState<Tuple2<String, long[]>> kept;
    private transient long nowMs;
    private transient long sentMs;
    private transient boolean hasNews;
    private transient boolean isAtEnd;

    /** For records of a source that ends or not, under a configuration that the guest takes. */
    public Classify(byte[] configuration, TimeSettings settings, boolean isBounded) {
        this.configuration = configuration;
        this.settings = settings;
        this.isBounded = isBounded;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        TypeInformation<Tuple2<String, long[]>> type =
                Types.TUPLE(Types.STRING, TypeInformation.of(long[].class));
        kept = context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("partition-times", type));
        watermarks = new PartitionWatermarks(settings);
        nowMs = getProcessingTimeService().getCurrentProcessingTime();
        for (Tuple2<String, long[]> partition : kept.get()) {
            if (partition.f0.equals(LET_GO)) {
                watermarks.restore(partition.f1[0]);
            } else {
                watermarks.restore(partition.f0, partition.f1, nowMs);
            }
        }
    }

    @Override
    public void open() throws Exception {
        super.open();
        guest = new MaxconnGuest(configuration);
        rules = guest.rules();
        sources = new Sources();
        position = new Position();
        lastLines = isBounded ? new LastLines() : null;
        figures = new GuestMetrics(getMetricGroup());
        sentMs = PartitionWatermarks.NONE;
        getProcessingTimeService().registerTimer(nowMs + PERIOD_MS, this);
    }

    @Override
    public void processElement(StreamRecord<LogRecord> element) throws Exception {
        LogRecord record = element.getValue();
        if (record.value() == null) {
            // A tombstone of a compacted topic.
            output.collect(element);
            return;
        }
        if (lastLines != null) {
            lastLines.take(record);
        }
        if (record.value().length > READ_MAX_BYTES) {
            takeUnread(element);
            return;
        }
        sources.tell(guest, record, nowMs);
        int keys = guest.observe(record.value(), settings.toldMs(record), offset(record), position.of(record));
        if (keys == 0) {
            output.collect(element);
        } else if (keys == MaxconnGuest.GOES_ON) {
            output.collect(element.replace(record.with(withoutNewline(guest.output(0, guest.outputLength())))));
        } else {
            emit(record, keys);
        }
    }

    private void emit(LogRecord record, int count) {
        long timeMs = guest.i64(0);
        long[] identities = new long[count];
        String[] keys = new String[count];
        for (int number = 0; number < count; number++) {
            int at = KEYS_AT + number * KEY_STRIDE;
            identities[number] = rules.list().get(guest.i8(at) & 0xff).identity();
            keys[number] = new String(guest.output(at + 1, at + KEY_STRIDE), StandardCharsets.ISO_8859_1);
        }
        byte[] bytes = guest.output(KEYS_AT + count * KEY_STRIDE, guest.outputLength());
        watermarks.take(record.source(), record.partition(), timeMs, nowMs);
        hasNews = true;
        output.collect(EVENTS, new StreamRecord<>(Event.of(record, timeMs, bytes, identities, keys)));
    }

    /** As the guest does with what is too large for it: it passes, or a note in its place where users are redacted. */
    private void takeUnread(StreamRecord<LogRecord> element) {
        figures.unread();
        if (rules.redaction() != 0) {
            int length = element.getValue().value().length;
            String note = "{\"message\":\"maxconn withheld a record of " + length
                    + " bytes: it is too large to be read, and may "
                    + "name users\"}";
            element.replace(element.getValue().with(note.getBytes(StandardCharsets.UTF_8)));
        }
        output.collect(element);
    }

    @Override
    public void onProcessingTime(long timeMs) throws Exception {
        nowMs = getProcessingTimeService().getCurrentProcessingTime();
        if (isAtEnd) {
            return;
        }
        watermarks.advance(nowMs);
        figures.refresh(guest, nowMs);
        boolean isAdvanced = watermarks.watermarkMs() > sentMs;
        // Events that move no time are news all the same: they wait, and what counts the silence is to hear of them.
        if (isAdvanced || hasNews || !watermarks.isIdle()) {
            output.emitWatermarkStatus(WatermarkStatus.ACTIVE);
            if (isAdvanced) {
                sentMs = watermarks.watermarkMs();
                output.emitWatermark(new Watermark(sentMs));
            }
            hasNews = false;
        }
        if (watermarks.isIdle()) {
            output.emitWatermarkStatus(WatermarkStatus.IDLE);
        }
        getProcessingTimeService().registerTimer(nowMs + PERIOD_MS, this);
    }

    @Override
    public void processWatermark(Watermark mark) {
        if (mark.getTimestamp() == Watermark.MAX_WATERMARK.getTimestamp()) {
            end();
        }
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) {
        // A source that is silent is silent to us, too.
    }

    /** Tells every subtask of the first step when the input ended. */
    private void end() {
        isAtEnd = true;
        EndTimes times = new EndTimes();
        watermarks.tell(times);
        if (lastLines != null) {
            lastLines.tell(times, guest, settings);
        }
        output.emitWatermarkStatus(WatermarkStatus.ACTIVE);
        var task = getRuntimeContext().getTaskInfo();
        for (String key : keysOfSubtasks(task.getMaxNumberOfParallelSubtasks(), task.getNumberOfParallelSubtasks())) {
            output.collect(EVENTS, new StreamRecord<>(Event.end(times, key)));
        }
        output.emitWatermark(Watermark.MAX_WATERMARK);
    }

    /** A key for each subtask of a keyed operator. */
    static List<String> keysOfSubtasks(int maxParallelism, int parallelism) {
        List<String> keys = new ArrayList<>();
        for (int number = 0; keys.size() < parallelism; number++) {
            String key = "end-" + number;
            int subtask = KeyGroupRangeAssignment.assignKeyToParallelOperator(key, maxParallelism, parallelism);
            if (subtask == keys.size()) {
                keys.add(key);
            }
        }
        return keys;
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        List<Tuple2<String, long[]>> all = new ArrayList<>();
        // One that nobody waits for says nothing of how far the steps are; one that still holds all back says: nowhere.
        if (!watermarks.isIdle()) {
            all.add(Tuple2.of(LET_GO, new long[] {watermarks.watermarkMs()}));
        }
        for (Map.Entry<String, long[]> partition : watermarks.snapshot().entrySet()) {
            all.add(Tuple2.of(partition.getKey(), partition.getValue()));
        }
        kept.update(all);
    }

    @Override
    public void finish() throws Exception {
        figures.refreshNow(guest);
        super.finish();
    }

    /** The offset of a line that a text record is told by; a Kafka record is told by its position. */
    static long offset(LogRecord record) {
        return record.isFromFile() ? record.offset() : -1;
    }

    static byte[] withoutNewline(byte[] line) {
        boolean hasOne = line.length > 0 && line[line.length - 1] == '\n';
        return hasOne ? Arrays.copyOf(line, line.length - 1) : line;
    }
}
