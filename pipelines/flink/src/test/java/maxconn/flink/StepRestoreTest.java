package maxconn.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

/** Wherever it is stopped and on however many subtasks it goes on, a step tells of the same floods. */
class StepRestoreTest {
    private static final int MAX_PARALLELISM = 128;

    private final Logs logs = new Logs(Logs.DEFAULTS);
    private final Rules rules = new MaxconnGuest(Logs.DEFAULTS).rules();

    @Test
    void aRestoredStepTellsTheSame() throws Exception {
        for (int seed = 0; seed < 12; seed++) {
            Random random = new Random(seed);
            List<Object> input = input(random);
            List<String> whole = run(input, new int[] {1}, new int[] {});
            assertTrue(whole.size() > 4, "" + whole.size());
            int stop = random.nextInt(input.size());
            int other = stop + random.nextInt(input.size() - stop);
            assertEquals(whole, run(input, new int[] {1, 1}, new int[] {stop}), "seed " + seed);
            assertEquals(whole, run(input, new int[] {2, 3, 1}, new int[] {stop, other}), "seed " + seed);
        }
    }

    /** Events out of order within the lateness, watermarks that follow them, and the end. */
    private List<Object> input(Random random) {
        List<Object> input = new ArrayList<>();
        long timeMs = Logs.START_MS;
        for (int number = 0; number < 1_500; number++) {
            timeMs += random.nextInt(40) == 0 ? random.nextInt(400_000) : random.nextInt(1_000);
            String user = "u" + random.nextInt(random.nextInt(8) + 1);
            long itsMs = timeMs - random.nextInt(4_000);
            input.add(logs.event(Logs.refusal(user, "198.51.100.7", number % 3, number, itsMs)));
            if (random.nextInt(5) == 0) {
                input.add(new Watermark(timeMs - 5_000));
            }
        }
        input.add(timeMs);
        input.add(Watermark.MAX_WATERMARK);
        return input;
    }

    /** The alerts, sorted, of a run that is stopped at some places and goes on with another parallelism. */
    private List<String> run(List<Object> input, int[] parallelisms, int[] stops) throws Exception {
        List<String> alerts = new ArrayList<>();
        OperatorSubtaskState state = null;
        int from = 0;
        int before = 0;
        for (int part = 0; part < parallelisms.length; part++) {
            int to = part < stops.length ? stops[part] : input.size();
            int parallelism = parallelisms[part];
            List<KeyedOneInputStreamOperatorTestHarness<String, Event, Event>> subtasks = new ArrayList<>();
            for (int subtask = 0; subtask < parallelism; subtask++) {
                var harness = StepTest.harness(Logs.DEFAULTS, 0, parallelism, subtask);
                if (state != null) {
                    harness.initializeState(AbstractStreamOperatorTestHarness.repartitionOperatorState(
                            state, MAX_PARALLELISM, before, parallelism, subtask));
                }
                harness.open();
                subtasks.add(harness);
            }
            for (Object element : input.subList(from, to)) {
                feed(element, subtasks);
            }
            List<OperatorSubtaskState> states = new ArrayList<>();
            for (var subtask : subtasks) {
                states.add(subtask.snapshot(part, part));
                alerts.addAll(StepTest.alerts(subtask));
                subtask.close();
            }
            state = AbstractStreamOperatorTestHarness.repackageState(states.toArray(OperatorSubtaskState[]::new));
            from = to;
            before = parallelism;
        }
        Collections.sort(alerts);
        return alerts;
    }

    private void feed(Object element, List<KeyedOneInputStreamOperatorTestHarness<String, Event, Event>> subtasks)
            throws Exception {
        if (element instanceof Event event) {
            String key = new StageKey(rules, 0).getKey(event);
            int subtask = KeyGroupRangeAssignment.assignKeyToParallelOperator(key, MAX_PARALLELISM, subtasks.size());
            subtasks.get(subtask).processElement(new StreamRecord<>(event));
            return;
        }
        for (var subtask : subtasks) {
            if (element instanceof Watermark mark) {
                subtask.processWatermark(mark);
            } else {
                EndTimes times = new EndTimes();
                times.event((Long) element);
                subtask.processElement(new StreamRecord<>(Event.end(times, subtaskKey(subtasks, subtask))));
            }
        }
    }

    private static String subtaskKey(List<?> subtasks, Object subtask) {
        return Classify.keysOfSubtasks(MAX_PARALLELISM, subtasks.size()).get(subtasks.indexOf(subtask));
    }
}
