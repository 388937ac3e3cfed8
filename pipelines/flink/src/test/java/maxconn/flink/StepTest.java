package maxconn.flink;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class StepTest {
    private static final TimeSettings SETTINGS = new TimeSettings(5_000, 305_000, 30_000, 0, false);
    private static final long SECOND_MS = 1_000;

    private final Logs logs = new Logs(Logs.DEFAULTS);
    private KeyedOneInputStreamOperatorTestHarness<String, Event, Event> harness;
    private long offset;

    static KeyedOneInputStreamOperatorTestHarness<String, Event, Event> harness(
            byte[] configuration, int stage, int parallelism, int subtask) throws Exception {
        Rules rules = new MaxconnGuest(configuration).rules();
        Step step = new Step(configuration, rules, SETTINGS, stage);
        var made = new KeyedOneInputStreamOperatorTestHarness<>(
                step, new StageKey(rules, stage), Types.STRING, 128, parallelism, subtask);
        made.setup(EventSerializer.INSTANCE);
        return made;
    }

    @BeforeEach
    void open() throws Exception {
        harness = harness(Logs.DEFAULTS, 0, 1, 0);
        harness.open();
    }

    @AfterEach
    void close() throws Exception {
        harness.close();
    }

    @Test
    void anEventWaitsForWhatMayComeBeforeIt() throws Exception {
        refuse("a", 0, 1);
        assertEquals(0, events().size());
        watermark(-6);
        assertEquals(0, events().size());
        watermark(-5);
        assertEquals(1, events().size());
    }

    @Test
    void aFloodStartsGoesOnAndEnds() throws Exception {
        refuse("a", 0, 29);
        refuse("a", 1, 1);
        watermark(-5);
        assertEquals(List.of(), alerts());
        watermark(-4);
        assertEquals(List.of("start"), alerts());
        refuse("a", 30, 5);
        watermark(60);
        assertEquals(List.of("start"), alerts());
        watermark(61);
        assertEquals(List.of("start", "ongoing"), alerts());
        watermark(329);
        assertEquals(List.of("start", "ongoing"), alerts());
        watermark(330);
        assertEquals(List.of("start", "ongoing", "end"), alerts());
        assertTrue(lastAlert().contains("\"count\":35") && lastAlert().contains("\"end_reason\":\"quiet\""),
                lastAlert());
        assertEquals(35, events().size());
        assertEquals(29, events().stream().filter(event -> !event.isHeldBack()).count());
        assertEquals(0, harness.numKeyedStateEntries());
    }

    @Test
    void whatWaitsIsCountedInTheOrderOfTimeBeforeTimersFire() throws Exception {
        for (int second = 290; second >= 0; second -= 10) {
            refuse("a", second, 10);
        }
        watermark(1_000_000);
        assertEquals("start", alerts().get(0));
        assertEquals(1, alerts().stream().filter("end"::equals).count());
        assertTrue(lastAlert().contains("\"count\":300"), lastAlert());
        List<Long> times = events().stream().map(Event::timeMs).toList();
        assertEquals(times.stream().sorted().toList(), times);
    }

    @Test
    void aTimerEndsNoFloodThatAWaitingEventKeepsOpen() throws Exception {
        refuse("a", 0, 30);
        watermark(-5);
        refuse("a", 299, 1);
        watermark(1_000_000);
        assertTrue(lastAlert().contains("\"count\":31"), lastAlert());
    }

    @Test
    void aLateEventIsCountedAtOnceAndItsFloodEndsAsMuchLater() throws Exception {
        watermark(100);
        refuse("a", 40, 30);
        assertEquals(List.of("start"), alerts());
        watermark(340);
        assertFalse(alerts().contains("end"));
        watermark(399);
        assertFalse(alerts().contains("end"));
        watermark(400);
        assertTrue(alerts().contains("end"));
    }

    @Test
    void whenNobodyIsWaitedForAllThatWaitsIsTaken() throws Exception {
        refuse("a", 0, 30);
        assertEquals(List.of(), alerts());
        harness.processWatermarkStatus(WatermarkStatus.IDLE);
        assertEquals(List.of("start"), alerts());
    }

    @Test
    void whileNothingComesTheClockEndsFloods() throws Exception {
        harness.setProcessingTime(1_000);
        refuse("a", 0, 30);
        watermark(-5);
        harness.processWatermarkStatus(WatermarkStatus.IDLE);
        for (int second = 2; second < 306; second++) {
            harness.setProcessingTime(second * SECOND_MS);
        }
        assertFalse(alerts().contains("end"));
        harness.setProcessingTime(306 * SECOND_MS);
        assertTrue(alerts().contains("end"));
    }

    @Test
    void aMachineThatStoodStillEndsNothing() throws Exception {
        refuse("a", 0, 30);
        watermark(-5);
        harness.processWatermarkStatus(WatermarkStatus.IDLE);
        harness.setProcessingTime(3_600 * SECOND_MS);
        assertEquals(List.of("start"), alerts());
    }

    @Test
    void silenceEndsAFloodWhateverItsTime() throws Exception {
        harness.setProcessingTime(1_000);
        // A lone event moves no time: there is no watermark at all.
        refuse("a", 0, 30);
        harness.processWatermarkStatus(WatermarkStatus.IDLE);
        for (int second = 2; second < 306; second++) {
            harness.setProcessingTime(second * SECOND_MS);
        }
        assertEquals(List.of("start"), alerts());
        harness.setProcessingTime(306 * SECOND_MS);
        assertEquals(List.of("start", "end"), alerts());
    }

    @Test
    void theEndOfTheInputEndsFloodsAtItsTime() throws Exception {
        refuse("a", 0, 30);
        harness.processElement(new StreamRecord<>(end(Logs.START_MS + 7_000, Logs.START_MS + 6_000)));
        harness.processWatermark(Watermark.MAX_WATERMARK);
        assertEquals(List.of("start", "end"), alerts());
        assertTrue(lastAlert().contains("\"end_reason\":\"end_of_input\"")
                && lastAlert().startsWith("{\"@timestamp\":\"2026-03-01T00:00:07.000Z\""), lastAlert());
    }

    @Test
    void aStrayAtTheEndIsNotItsTime() throws Exception {
        refuse("a", 0, 30);
        harness.processElement(new StreamRecord<>(end(Logs.START_MS + 900_000, Logs.START_MS + 6_000)));
        harness.processWatermark(Watermark.MAX_WATERMARK);
        assertTrue(lastAlert().startsWith("{\"@timestamp\":\"2026-03-01T00:00:06.000Z\""), lastAlert());
    }

    @Test
    void aKeyWithoutAFloodIsForgotten() throws Exception {
        refuse("a", 0, 1);
        watermark(-5);
        assertEquals(1, harness.numKeyedStateEntries());
        watermark(65);
        assertEquals(1, harness.numKeyedStateEntries());
        watermark(66);
        assertEquals(0, harness.numKeyedStateEntries());
        assertEquals(0, harness.numEventTimeTimers());
    }

    /**
     * Each event moves the time until which its key is remembered; a timer that was set for an earlier one forgets
     * nothing.
     */
    @Test
    void aKeyIsNotForgottenByATimerThatAnEarlierEventSet() throws Exception {
        for (int second = 0; second <= 66; second += 3) {
            refuse("a", second, 1);
            watermark(second - 5);
        }
        // 20 refusals lie in the last 60 s by now.
        watermark(67);
        refuse("a", 67, 10);
        watermark(68);
        assertEquals(List.of("start"), alerts());
    }

    @Test
    void aSlowFloodOpens() throws Exception {
        harness.close();
        byte[] slow = "{\"rule\":[{\"name\":\"userip\",\"threshold\":3}]}".getBytes(UTF_8);
        harness = harness(slow, 0, 1, 0);
        harness.open();
        for (int second = 0; second <= 100; second += 25) {
            refuse("a", second, 1);
            watermark(second);
        }
        assertEquals("start", alerts().get(0));
    }

    @Test
    void aRuleThatIsGoneEndsItsFloods() throws Exception {
        refuse("a", 0, 30);
        watermark(-5);
        List<String> after = restoredUnder("{\"rule\":[{\"name\":\"userip\",\"enabled\":false}]}");
        assertEquals(1, after.size());
        assertTrue(after.get(0).contains("\"end_reason\":\"reconfigured\"") && after.get(0).contains("\"userip\""),
                after.get(0));
    }

    @Test
    void otherKeysEndFloodsAndOtherPoliciesDoNot() throws Exception {
        refuse("a", 0, 30);
        watermark(-5);
        List<String> after = restoredUnder("{\"rule\":[{\"name\":\"userip\",\"key\":[\"user\"]}]}");
        assertTrue(after.size() == 1 && after.get(0).contains("\"end_reason\":\"reconfigured\""), after.toString());
        assertEquals(List.of(), restoredUnder("{\"rule\":[{\"name\":\"userip\",\"policy\":\"pass\"}]}"));
    }

    @Test
    void anotherRedactionEndsFloodsWithoutNames() throws Exception {
        refuse("alice", 0, 30);
        watermark(-5);
        List<String> after = restoredUnder("{\"redact_key\":\"sixteen bytes and more of a secret\"}");
        assertTrue(after.size() == 1 && !after.get(0).contains("alice"), after.toString());
    }

    private List<String> restoredUnder(String configuration) throws Exception {
        OperatorSubtaskState state = harness.snapshot(1, 1);
        try (var other = harness(configuration.getBytes(UTF_8), 0, 1, 0)) {
            other.initializeState(state);
            other.open();
            return alerts(other);
        }
    }

    private void refuse(String user, long second, int times) throws Exception {
        for (int time = 0; time < times; time++) {
            LogRecord record = Logs.refusal(user, "198.51.100.7", 0, offset++, Logs.START_MS + second * SECOND_MS);
            harness.processElement(new StreamRecord<>(logs.event(record)));
        }
    }

    static Event end(long... eventsMs) {
        EndTimes times = new EndTimes();
        for (long eventMs : eventsMs) {
            times.event(eventMs);
        }
        return Event.end(times, "end-0");
    }

    private void watermark(long second) throws Exception {
        harness.processWatermark(Logs.START_MS + second * SECOND_MS);
    }

    private List<Event> events() {
        return harness.extractOutputValues();
    }

    private List<String> alerts() {
        return alerts(harness).stream().map(alert -> AlertMetrics.state(alert.getBytes(UTF_8))).toList();
    }

    private String lastAlert() {
        List<String> all = alerts(harness);
        return all.get(all.size() - 1);
    }

    static List<String> alerts(KeyedOneInputStreamOperatorTestHarness<String, Event, Event> from) {
        List<String> texts = new ArrayList<>();
        var alerts = from.getSideOutput(Step.ALERTS);
        if (alerts != null) {
            alerts.forEach(alert -> texts.add(new String(alert.getValue(), UTF_8)));
        }
        return texts;
    }
}
