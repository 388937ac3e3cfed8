package maxconn.flink;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.State;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.runtime.state.internal.InternalListState;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerServiceImpl;
import org.apache.flink.streaming.api.operators.Triggerable;

/**
 * The events of a step that wait for earlier ones: a list for each key and time, and a timer for each list. Only
 * lists that are due are read, and an event is appended without reading.
 */
final class WaitingEvents implements Triggerable<String, Long> {
    private final Step step;
    private final long latenessMs;
    private final InternalListState<String, Long, Event> lists;
    private final InternalTimerServiceImpl<String, Long> timers;

    WaitingEvents(Step step, long latenessMs) throws Exception {
        this.step = step;
        this.latenessMs = latenessMs;
        lists = step.<String>getKeyedStateBackend()
                .<Long, InternalListState<String, Long, Event>, List<Event>>getOrCreateKeyedState(
                        LongSerializer.INSTANCE, cast(new ListStateDescriptor<>("waiting", EventSerializer.INSTANCE)));
        timers = step.timerService("waiting", LongSerializer.INSTANCE, this);
    }

    @SuppressWarnings("unchecked")
    private static <S extends State, T> StateDescriptor<S, T> cast(ListStateDescriptor<Event> descriptor) {
        return (StateDescriptor<S, T>)
                (StateDescriptor<?, ?>) descriptor;
    }

    /** The watermark at which an event of that time is taken. */
    long dueMs(long eventMs) {
        return eventMs < Long.MIN_VALUE + latenessMs ? Long.MIN_VALUE : eventMs - latenessMs;
    }

    /** Keeps an event of the current key. */
    void add(Event event) throws Exception {
        lists.setCurrentNamespace(event.timeMs());
        lists.add(event);
        timers.registerEventTimeTimer(event.timeMs(), dueMs(event.timeMs()));
    }

    /** Takes what is due at that watermark, in the order of time. */
    void take(long watermarkMs) throws Exception {
        timers.advanceWatermark(watermarkMs);
    }

    void takeAll() throws Exception {
        take(Long.MAX_VALUE);
    }

    @Override
    public void onEventTime(InternalTimer<String, Long> timer) throws Exception {
        lists.setCurrentNamespace(timer.getNamespace());
        List<Event> events = new ArrayList<>();
        for (Event event : lists.get()) {
            events.add(event);
        }
        lists.clear();
        Collections.sort(events);
        for (Event event : events) {
            step.take(event, 0);
        }
    }

    @Override
    public void onProcessingTime(InternalTimer<String, Long> timer) {
        // None is registered.
    }
}
