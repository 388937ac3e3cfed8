package maxconn.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PartitionWatermarksTest {
    private static final long NONE = PartitionWatermarks.NONE;
    private static final long DAY_S = 86_400;
    private static final long DAY_MS = DAY_S * 1_000;
    /** Lateness 5 s, quiet 300 s, settled after 30 s, no hold. Times here are seconds; the clock is at 30 days. */
    private static final TimeSettings SETTINGS = new TimeSettings(5_000, 305_000, 30_000, 0, false);

    private final PartitionWatermarks watermarks = new PartitionWatermarks(SETTINGS);
    private long nowS = 30 * DAY_S;

    @Test
    void theTimeIsTheGreatestButOne() {
        take(0, 100);
        assertEquals(NONE, advance());
        take(0, 110, 120, 115);
        assertEquals(110_000, advance());
        assertFalse(watermarks.isIdle());
    }

    @Test
    void oneStrayMovesNothingHoweverOftenItIsSent() {
        take(0, 100, 101);
        for (int copy = 0; copy < 100; copy++) {
            take(0, 100 + DAY_S);
        }
        assertEquals(96_000, advance());
        take(0, 102, 103);
        assertEquals(98_000, advance());
    }

    @Test
    void twoStraysAreBelieved() {
        take(0, 100, 101, 100 + DAY_S, 101 + DAY_S);
        assertEquals((100 + DAY_S - 5) * 1000, advance());
    }

    @Test
    void sixtyFourInSuccessionBringTheTimeBackAndTheWatermarkGoesOnFromWhereItWas() {
        take(0, 100, 101, 100 + DAY_S, 101 + DAY_S);
        long letGoMs = advance();
        for (int second = 0; second < 63; second++) {
            take(0, 200 + second);
        }
        assertEquals(letGoMs, advance());
        take(0, 263);
        assertEquals(letGoMs, advance());
        take(0, 272, 273);
        assertEquals(letGoMs + 10_000, advance());
        // The clock is right again: nothing is let go a second time.
        take(0, 102 + DAY_S, 103 + DAY_S, 104 + DAY_S);
        assertTrue(advance() - letGoMs <= 15_000, "" + (advance() - letGoMs));
        take(0, 200 + DAY_S, 201 + DAY_S);
        assertEquals((200 + DAY_S - 5) * 1000, advance());
    }

    @Test
    void oneOfTheSixtyFourThatIsInTimeSaysThatTheClockIsRight() {
        take(0, 10 * DAY_S, 10 * DAY_S + 1);
        for (int round = 0; round < 10; round++) {
            for (int second = 0; second < 63; second++) {
                take(0, 200 + second);
            }
            take(0, 10 * DAY_S + 2);
        }
        take(0, 10 * DAY_S + 4);
        assertEquals((10 * DAY_S + 2 - 5) * 1000, advance());
    }

    @Test
    void whileTheyRaceTheSlowestPartitionDecides() {
        take(0, 100, 200, 300, 400);
        take(1, 100, 150, 160);
        assertEquals(145_000, advance());
        take(1, 1000, 1001);
        assertEquals(295_000, advance());
    }

    @Test
    void oneThatKeepsPaceOrIsSilentHoldsNobodyUp() {
        take(0, 100, 101);
        take(1, 5000, 5001);
        assertEquals(95_000, advance());
        for (int second = 0; second < 31; second++) {
            nowS++;
            take(1, 5010 + 100 * second, 5011 + 100 * second);
            advance();
        }
        assertEquals((5010 + 3000 - 5) * 1000, advance());
        assertFalse(watermarks.isIdle());
        nowS += 31;
        advance();
        nowS += 31;
        take(1, 8070, 8071);
        advance();
        assertTrue(watermarks.isIdle());
        // It races again as soon as it moves faster than that.
        take(1, 9000, 9001);
        advance();
        assertFalse(watermarks.isIdle());
    }

    @Test
    void oneThatIsBehindWhatWasLetGoHoldsNobodyUp() {
        take(0, 5000, 5001);
        assertEquals(4_995_000, advance());
        take(1, 100, 101);
        take(0, 5100, 5101);
        assertEquals(5_095_000, advance());
    }

    @Test
    void withoutAPartitionNobodyWaits() {
        assertEquals(NONE, advance());
        assertTrue(watermarks.isIdle());
    }

    @Test
    void atTheStartAllIsKeptBackForAWhile() {
        PartitionWatermarks held = new PartitionWatermarks(new TimeSettings(5_000, 305_000, 30_000, 5_000, false));
        held.advance(0);
        hear(held, 0, 100, 0);
        held.advance(4_999);
        assertEquals(NONE, held.watermarkMs());
        assertFalse(held.isIdle());
        held.advance(5_000);
        assertEquals(95_000 - DAY_MS, held.watermarkMs());
    }

    /** Kafka hands one partition after the other over, the first of them long after a cold start. */
    @Test
    void theHoldIsCountedFromTheLastPartitionThatIsNew() {
        PartitionWatermarks held = held();
        held.advance(0);
        held.advance(5_000);
        assertTrue(held.isIdle());
        hear(held, 0, 500, 5_800);
        held.advance(5_800);
        assertFalse(held.isIdle());
        hear(held, 1, 100, 9_000);
        held.advance(13_900);
        assertEquals(NONE, held.watermarkMs());
        held.advance(14_000);
        assertEquals(95_000 - DAY_MS, held.watermarkMs());
    }

    @Test
    void newPartitionsWithoutEndDoNotHoldForEver() {
        PartitionWatermarks held = held();
        held.advance(0);
        for (int partition = 0; partition < 100; partition++) {
            hear(held, partition, 500, partition * 1_000);
            held.advance(partition * 1_000);
        }
        assertEquals(495_000 - DAY_MS, held.watermarkMs());
    }

    @Test
    void aPartitionThatIsNewLaterHoldsNothingBackAgain() {
        PartitionWatermarks held = held();
        held.advance(0);
        hear(held, 0, 500, 0);
        held.advance(5_000);
        hear(held, 1, 100, 6_000);
        held.take("t", 0, 600_000 - DAY_MS, 6_000);
        held.take("t", 0, 601_000 - DAY_MS, 6_000);
        held.advance(6_000);
        assertEquals(595_000 - DAY_MS, held.watermarkMs());
    }

    /** The steps were only as far as the slowest subtask that held them up. */
    @Test
    void whatSeveralSubtasksLetGoIsTheLeastOfThem() {
        PartitionWatermarks other = new PartitionWatermarks(SETTINGS);
        other.restore(195_000);
        other.restore(95_000);
        other.restore(145_000);
        assertEquals(95_000, other.watermarkMs());
    }

    private static PartitionWatermarks held() {
        return new PartitionWatermarks(new TimeSettings(5_000, 305_000, 30_000, 5_000, false));
    }

    /** Two events, a second apart, so that the partition has a time. They are of the day before the start. */
    private static void hear(PartitionWatermarks watermarks, int partition, long second, long sinceStartMs) {
        watermarks.take("t", partition, second * 1_000 - DAY_MS, sinceStartMs);
        watermarks.take("t", partition, (second + 1) * 1_000 - DAY_MS, sinceStartMs);
    }

    @Test
    void timesThatTheClockHasNotSeenAreNow() {
        take(0, 40 * DAY_S, 41 * DAY_S, 100, 42 * DAY_S);
        assertEquals(95_000, advance());
    }

    @Test
    void itGoesOnFromASnapshot() {
        take(0, 100, 200, 300);
        take(1, 400, 500, 600);
        advance();
        PartitionWatermarks other = new PartitionWatermarks(SETTINGS);
        watermarks.snapshot().forEach((name, times) -> other.restore(name, times, nowS * 1000));
        other.restore(watermarks.watermarkMs());
        assertEquals(195_000, other.watermarkMs());
        other.take("t", 1, 550_000, nowS * 1000);
        other.advance(nowS * 1000);
        assertEquals(545_000, other.watermarkMs());
    }

    private void take(int partition, long... timesS) {
        for (long timeS : timesS) {
            watermarks.take("t", partition, timeS * 1000, nowS * 1000);
        }
    }

    private long advance() {
        watermarks.advance(nowS * 1000);
        return watermarks.watermarkMs();
    }
}
