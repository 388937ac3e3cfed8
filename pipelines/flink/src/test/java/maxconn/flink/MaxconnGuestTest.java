package maxconn.flink;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import maxconn.flink.MaxconnGuest.What;
import org.junit.jupiter.api.Test;

class MaxconnGuestTest {
    private static final byte[] NOTHING = {};
    private static final byte[] REFUSAL =
            ("Nov 22 20:13:51 imap-login: Info: Disconnected: Maximum number of connections "
            + "from user+IP exceeded (mail_max_userip_connections=3): user=<alice@example.org>, method=PLAIN, "
            + "rip=192.0.2.7, lip=192.0.2.1, secured, session=<T5eqHeNgpOB/AAAB>").getBytes(UTF_8);
    private static final byte[] LOGIN =
            ("Nov 22 20:13:51 imap-login: Info: Login: user=<alice@example.org>, method=PLAIN, "
            + "rip=192.0.2.7, lip=192.0.2.1, secured, session=<T5eqHeNgpOB/AAAB>").getBytes(UTF_8);
    private static final long MARCH_2026_MS = 1_772_323_200_000L;

    private final MaxconnGuest guest = new MaxconnGuest("{}".getBytes(UTF_8));

    @Test
    void aRecordWithoutAnEventHasNoKeys() {
        assertEquals(0, guest.observe(LOGIN, MARCH_2026_MS, -1, NOTHING));
        assertEquals(1, guest.statistics().path("records").asInt());
        // As an event that waited until its pattern was gone.
        assertNull(guest.enrich(LOGIN, MARCH_2026_MS, -1, NOTHING, NOTHING));
    }

    @Test
    void anEventHasItsTimeItsKeysAndADocument() {
        int keys = guest.observe(REFUSAL, MARCH_2026_MS, -1, NOTHING);
        assertEquals(3, keys);
        assertEquals(MARCH_2026_MS, guest.i64(0));
        assertEquals(0, guest.i8(8));
        byte[] event = guest.output(8 + 33 * keys, guest.outputLength());
        assertTrue(event.length > 50);
        byte[] document = guest.enrich(REFUSAL, MARCH_2026_MS, -1, NOTHING,
                "0123456789abcdef".repeat(2).getBytes(UTF_8));
        String text = new String(document, UTF_8);
        assertTrue(text.contains("\"flood\":{\"id\":\"0123456789abcdef0123456789abcdef\"") && text.endsWith("}\n"),
                text);
    }

    @Test
    void aFloodStartsAndEnds() {
        int keys = guest.observe(REFUSAL, MARCH_2026_MS, -1, NOTHING);
        byte[] event = guest.output(8 + 33 * keys, guest.outputLength());
        byte[] state = NOTHING;
        for (int refusal = 1; refusal <= 30; refusal++) {
            guest.drive(What.EVENT, 0, state, 0, event, 0);
            assertEquals(refusal < 30 ? 0 : 3, guest.i32(0), "refusal " + refusal);
            state = guest.output(48, 48 + guest.i32(44));
        }
        int alerts = 48 + guest.i32(44);
        assertTrue(text(alerts).contains("connection-limit-flood-start"));
        guest.drive(What.END_OF_INPUT, 0, state, 0, NOTHING, MARCH_2026_MS);
        assertEquals(0, guest.i32(44));
        assertTrue(text(48).contains("\"end_reason\":\"end_of_input\""), text(48));
    }

    @Test
    void rulesThatMayTakeOneEventHaveStagesOfTheirOwn() {
        Rules rules = guest.rules();
        assertEquals("userip", rules.list().get(0).name());
        assertEquals(0, rules.list().get(0).stage());
        assertTrue(rules.stages() >= 3 && rules.stages() <= rules.list().size(), rules.toString());
        assertEquals(1, rules.numberOf(rules.list().get(1).identity()));
        assertEquals(-1, rules.numberOf(1));
        assertEquals(0, rules.redaction());
    }

    @Test
    void linesHaveTimes() {
        guest.source("/var/log/mail.log", MARCH_2026_MS, null);
        long[] times = guest.lineTimes("Nov 22 20:13:51 host x: y\nno time\n".getBytes(UTF_8));
        assertArrayEquals(new long[] {1_763_842_431_000L, MaxconnGuest.NO_TIME}, times);
    }

    @Test
    void aRefusalSaysWhereWhatAndHow() {
        byte[] bad = "{\"rule\":[{\"name\":\"userip\",\"quiet\":\"1s\"}]}".getBytes(UTF_8);
        GuestException refusal = assertThrows(GuestException.class, () -> new MaxconnGuest(bad));
        assertEquals("rule[0].quiet", refusal.path);
        assertTrue(!refusal.problem.isEmpty() && !refusal.mend.isEmpty(), refusal.getMessage());
    }

    @Test
    void recordsOfAnySizeAreTaken() {
        assertEquals(0, guest.observe(new byte[1 << 20], MARCH_2026_MS, -1, NOTHING));
        assertEquals(3, guest.observe(REFUSAL, MARCH_2026_MS, -1, NOTHING));
        byte[] tooLarge = new byte[MaxconnGuest.INPUT_MAX_BYTES + 1];
        assertThrows(GuestException.class, () -> guest.observe(tooLarge, MARCH_2026_MS, -1, NOTHING));
        assertEquals(3, guest.observe(REFUSAL, MARCH_2026_MS, -1, NOTHING));
    }

    private String text(int from) {
        return new String(guest.output(from, guest.outputLength()), UTF_8);
    }
}
