package maxconn.flink;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import maxconn.flink.MaxconnGuest.What;
import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerServiceImpl;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.util.OutputTag;
import org.apache.flink.util.function.ThrowingConsumer;

/**
 * Counts events under the rules of one stage, by key, and tells of floods by {@link #ALERTS}. Events go on to the
 * next stage with what this one says of them.
 *
 * <p>An event waits until the watermark says that all before it have come; then it is counted in the order of time. A
 * key's state is: when the guest wants to be called (8 bytes), its rule's number (1), the guest's bytes. Some timer
 * no later than that is always set. It is set anew only when it fires or must fire earlier: an event moves its
 * flood's end, and most timers would be set in vain. The guest itself is never called before the time it wants: it
 * would forget the key.
 */
public final class Step extends AbstractStreamOperator<Event>
        implements OneInputStreamOperator<Event, Event>, Triggerable<String, VoidNamespace>, ProcessingTimeCallback {
    private static final long serialVersionUID = 1;

    /** Alerts: a JSON document each, without a newline. */
    public static final OutputTag<byte[]> ALERTS =
            new OutputTag<>("alerts", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

    private static final long BEAT_MS = 1_000;
    private static final long NO_TIME = MaxconnGuest.NO_TIME;
    private static final byte[] NOTHING = {};

    /** What stands before the guest's bytes in a key's state. */
    private static final int HEAD_BYTES = Long.BYTES + 1;

    /** Where the guest's answer has what. */
    private static final int TIMER_AT = 4;
    private static final int FLOOD_AT = 12;
    private static final int STATE_LENGTH_AT = 44;
    private static final int STATE_AT = 48;
    private static final int HELD_BACK = 1;
    private static final int COUNTED_BY_FLOOD = 2;

    private final byte[] configuration;
    private final Rules rules;
    private final TimeSettings settings;
    private final int stage;

    private transient MaxconnGuest guest;
    private transient ValueState<byte[]> keyed;
    private transient ValueStateDescriptor<byte[]> descriptor;
    private transient WaitingEvents waiting;
    private transient InternalTimerServiceImpl<String, VoidNamespace> timers;
    private transient RulesState rulesState;
    private transient AlertMetrics figures;
    private transient long watermarkMs;
    private transient EndTimes end;
    private transient boolean isEnding;
    private transient boolean isIdle;
    private transient long idleMs;
    private transient long lastBeatMs;
    private transient boolean isSilenceTold;

    /** The step of that stage, under a configuration that the guest takes and its rules. */
    public Step(byte[] configuration, Rules rules, TimeSettings settings, int stage) {
        this.configuration = configuration;
        this.rules = rules;
        this.settings = settings;
        this.stage = stage;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        rulesState = new RulesState(context);
        watermarkMs = rulesState.watermarkMs;
    }

    @Override
    public void open() throws Exception {
        super.open();
        guest = new MaxconnGuest(configuration);
        figures = new AlertMetrics(getMetricGroup());
        descriptor = new ValueStateDescriptor<>("key", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
        keyed = getPartitionedState(descriptor);
        timers = timerService("keys", VoidNamespaceSerializer.INSTANCE, this);
        waiting = new WaitingEvents(this, settings.latenessMs());
        end = new EndTimes();
        lastBeatMs = getProcessingTimeService().getCurrentProcessingTime();
        if (rulesState.before != null && !rulesState.before.equals(rules)) {
            changeRules(rulesState.before);
        }
        getProcessingTimeService().registerTimer(lastBeatMs + BEAT_MS, this);
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        rulesState.keep(rules, watermarkMs);
    }

    /** A timer service whose time can be moved apart from the watermark's. */
    @SuppressWarnings("unchecked")
    <N> InternalTimerServiceImpl<String, N> timerService(
            String name, TypeSerializer<N> namespace, Triggerable<String, N> target) {
        return (InternalTimerServiceImpl<String, N>) getInternalTimerService(name, namespace, target);
    }

    @Override
    public void processElement(StreamRecord<Event> element) throws Exception {
        Event event = element.getValue();
        if (event.isEnd()) {
            end.take(event.rules());
            return;
        }
        idleMs = 0;
        isSilenceTold = false;
        if (rules.keyIn(stage, event) < 0) {
            output.collect(element);
        } else if (waiting.dueMs(event.timeMs()) <= watermarkMs) {
            take(event, Math.max(0, watermarkMs - event.timeMs()));
        } else {
            waiting.add(event);
        }
    }

    /** Counts an event of the current key, so many ms behind the watermark. */
    void take(Event event, long behindMs) throws Exception {
        int at = rules.keyIn(stage, event);
        // After a change of the rules an event may wait under a key that it no longer has.
        if (at < 0 || !event.keys()[at].equals(getCurrentKey())) {
            output.collect(new StreamRecord<>(event));
            return;
        }
        int rule = rules.numberOf(event.rules()[at]);
        byte[] before = keyed.value();
        drive(What.EVENT, rule, before, event.bytes(), behindMs);
        int flags = guest.i32(0);
        byte[] flood = (flags & COUNTED_BY_FLOOD) != 0 ? guest.output(FLOOD_AT, STATE_LENGTH_AT) : Event.NO_FLOOD;
        if (behindMs > settings.latenessMs()) {
            figures.late();
        }
        keep(rule, before, wantedMs(before));
        output.collect(new StreamRecord<>(event.after((flags & HELD_BACK) != 0, flood)));
    }

    private void drive(What what, int rule, byte[] before, byte[] bytes, long timeMs) {
        guest.drive(what, rule, before == null ? NOTHING : before, before == null ? 0 : HEAD_BYTES, bytes, timeMs);
    }

    /** Keeps what the guest answered, sets the timer, and sends alerts on. */
    private void keep(int rule, byte[] before, long setMs) throws Exception {
        int stateEnd = STATE_AT + guest.i32(STATE_LENGTH_AT);
        if (stateEnd == STATE_AT) {
            if (before != null) {
                keyed.clear();
            }
        } else {
            long wantedMs = guest.i64(TIMER_AT);
            if (wantedMs != NO_TIME && (setMs == NO_TIME || wantedMs < setMs)) {
                timers.registerEventTimeTimer(VoidNamespace.INSTANCE, wantedMs);
            }
            // The bytes before the state are not needed again, so its head takes their place.
            byte[] after = guest.output(STATE_AT - HEAD_BYTES, stateEnd);
            ByteBuffer.wrap(after).order(ByteOrder.LITTLE_ENDIAN).putLong(wantedMs).put((byte) rule);
            keyed.update(after);
        }
        if (guest.outputLength() > stateEnd) {
            emitAlerts(guest.output(stateEnd, guest.outputLength()));
        }
    }

    private void emitAlerts(byte[] lines) {
        int start = 0;
        for (int at = 0; at < lines.length; at++) {
            if (lines[at] == '\n') {
                byte[] alert = Arrays.copyOfRange(lines, start, at);
                figures.alert(alert);
                output.collect(ALERTS, new StreamRecord<>(alert));
                start = at + 1;
            }
        }
    }

    @Override
    public void onEventTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
        byte[] before = keyed.value();
        if (before == null || wantedMs(before) == NO_TIME) {
            return;
        }
        if (!isEnding && wantedMs(before) > timer.getTimestamp()) {
            timers.registerEventTimeTimer(VoidNamespace.INSTANCE, wantedMs(before));
            return;
        }
        int rule = before[Long.BYTES] & 0xff;
        if (isEnding) {
            drive(What.END_OF_INPUT, rule, before, NOTHING, end.endMs(settings.latenessMs()));
        } else {
            // The timer's own time: what waits may be earlier than the watermark, and would be counted after the
            // flood's end.
            drive(What.TIMER, rule, before, NOTHING, timer.getTimestamp());
        }
        keep(rule, before, NO_TIME);
    }

    @Override
    public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) {
        // None is registered by key.
    }

    private static long wantedMs(byte[] state) {
        return state == null ? NO_TIME : ByteBuffer.wrap(state).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        if (mark.getTimestamp() == Watermark.MAX_WATERMARK.getTimestamp()) {
            end();
        } else {
            watermarkMs = Math.max(watermarkMs, mark.getTimestamp());
            // First what waits: a timer ends no flood that an event before it would have kept open.
            waiting.take(watermarkMs);
        }
        super.processWatermark(mark);
    }

    /** All that waits, then the end of every flood. */
    private void end() throws Exception {
        waiting.takeAll();
        timers.advanceWatermark(end.endMs(settings.latenessMs()));
        isEnding = true;
        timers.advanceWatermark(Long.MAX_VALUE);
        var task = getRuntimeContext().getTaskInfo();
        if (stage + 1 < rules.stages()) {
            for (String key : Classify.keysOfSubtasks(
                    task.getMaxNumberOfParallelSubtasks(), task.getNumberOfParallelSubtasks())) {
                output.collect(new StreamRecord<>(Event.end(end, key)));
            }
        }
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) throws Exception {
        if (status.isIdle()) {
            waiting.takeAll();
        }
        isIdle = status.isIdle();
        idleMs = 0;
        isSilenceTold = false;
        lastBeatMs = getProcessingTimeService().getCurrentProcessingTime();
        super.processWatermarkStatus(status);
    }

    /**
     * While nothing comes time goes on by the clock; a machine that stood still for long ends nothing by that alone.
     */
    @Override
    public void onProcessingTime(long timeMs) throws Exception {
        long nowMs = getProcessingTimeService().getCurrentProcessingTime();
        if (isIdle) {
            idleMs += Math.min(Math.max(0, nowMs - lastBeatMs), 2 * BEAT_MS);
            if (watermarkMs != NO_TIME) {
                timers.advanceWatermark(watermarkMs + idleMs);
            }
            if (!isSilenceTold && idleMs >= settings.farMs()) {
                isSilenceTold = true;
                driveAll(What.SILENCE, idleMs);
            }
        }
        lastBeatMs = nowMs;
        getProcessingTimeService().registerTimer(nowMs + BEAT_MS, this);
    }

    private void driveAll(What what, long timeMs) throws Exception {
        forEachKey(before -> {
            int rule = before[Long.BYTES] & 0xff;
            drive(what, rule, before, NOTHING, timeMs);
            keep(rule, before, wantedMs(before));
        });
    }

    /** Ends the floods of rules that are gone, and gives the others their numbers now. */
    private void changeRules(Rules old) throws Exception {
        boolean isOtherRedaction = old.redaction() != rules.redaction();
        forEachKey(before -> {
            Rule was = old.list().get(before[Long.BYTES] & 0xff);
            int number = rules.numberOf(was.identity());
            boolean isHere = number >= 0 && rules.list().get(number).stage() == stage;
            if (!isHere || isOtherRedaction) {
                What what = isOtherRedaction ? What.RULE_GONE_NAMES_TOO : What.RULE_GONE;
                drive(what, 0, before, was.name().getBytes(StandardCharsets.UTF_8), NO_TIME);
                keep(0, before, wantedMs(before));
            } else if (was.window() != rules.list().get(number).window()) {
                drive(What.OTHER_WINDOW, number, before, NOTHING, NO_TIME);
                keep(number, before, wantedMs(before));
            } else {
                byte[] after = before.clone();
                after[Long.BYTES] = (byte) number;
                keyed.update(after);
            }
        });
    }

    /** Each backend goes through its keys in its own way; RocksDB holds few of them in memory. */
    private void forEachKey(ThrowingConsumer<byte[], Exception> action) throws Exception {
        this.<String>getKeyedStateBackend().applyToAllKeys(
                VoidNamespace.INSTANCE, VoidNamespaceSerializer.INSTANCE, descriptor, (key, state) -> {
                    byte[] before = state.value();
                    if (before != null) {
                        action.accept(before);
                    }
                });
    }
}
