package maxconn.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.temporal.TemporalAdjusters;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JobSettingsTest {
    private static final String LIVE = """
            source.topics = logs, more
            sink.records.topic = records
            sink.alerts.topic = alerts
            kafka.bootstrap.servers = localhost:9092
            """;

    @TempDir
    Path folder;

    @Test
    void theDefaultsAreThoseOfALiveJob() throws IOException {
        JobSettings settings = settings(LIVE);
        assertEquals("[logs, more]", settings.topics.toString());
        assertEquals(JobSettings.Start.COMMITTED, settings.start);
        assertEquals(Duration.ofSeconds(10), settings.checkpointEvery);
        assertEquals("localhost:9092", settings.consumer.getProperty("bootstrap.servers"));
        assertEquals("900000", settings.producer.getProperty("transaction.timeout.ms"));
        assertEquals("33554432", settings.producer.getProperty("max.request.size"));
        assertFalse(settings.isBounded());
        assertTrue(settings.isExactlyOnce);
    }

    @Test
    void aFileThatIsNotThereAndAListOfNothingAreSaidToBe() {
        Path missing = folder.resolve("missing.properties");
        for (var read : List.<Executable>of(() -> JobSettings.read(missing), () -> ConfigurationFile.read(missing))) {
            String said = assertThrows(SettingsException.class, read).getMessage();
            assertTrue(said.contains("missing.properties: it cannot be read (NoSuchFileException)"), said);
        }
        String nothing = LIVE.replace("logs, more", ",");
        String said = assertThrows(SettingsException.class, () -> settings(nothing)).getMessage();
        assertTrue(said.contains("source.topics: it names none"), said);
    }

    @Test
    void kafkasOwnKeysArePassedOnAsTheyAre() throws IOException {
        JobSettings settings = settings(LIVE + """
                kafka.security.protocol = SASL_SSL
                kafka.consumer.isolation.level = read_committed
                kafka.producer.compression.type = zstd
                source.start = 2026-03-01T00:00:00Z
                """);
        assertEquals("SASL_SSL", settings.consumer.getProperty("security.protocol"));
        assertEquals("SASL_SSL", settings.producer.getProperty("security.protocol"));
        assertEquals("read_committed", settings.consumer.getProperty("isolation.level"));
        assertFalse(settings.producer.containsKey("isolation.level"));
        assertEquals("zstd", settings.producer.getProperty("compression.type"));
        assertEquals(1_772_323_200_000L, settings.startMs);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            parallelism = 0            | parallelism: "0" is no whole number from 1 to 32768; write one
            checkpoint.every = 1ms     | checkpoint.every: it is less than 10ms; write 10s
            parallelism = 200          | parallelism: it is more than max_parallelism, 128; write a smaller
            paralelism = 2             | paralelism: there is no such key; the keys are config, source.topics
            time.settle = 30           | time.settle: "30" is no duration; write a whole number and ms, s, m or h
            time.settle = 99999999999h | time.settle: "99999999999h" is no duration
            source.start = yesterday   | source.start: "yesterday" is none of committed, earliest, latest
            source.time = clock        | source.time: "clock" is none of record, text; write one of them
            source.stop = soon         | source.stop: "soon" is none of never, latest; write one of them
            source.files = /var/log    | source.topics: one of source.topics and source.files must be there
            sink.records.folder = /x   | sink.records.topic: one of sink.records.topic and sink.records.folder
            checkpoint.every = 0s      | checkpoint.every: without checkpoints nothing is handed on for good
            state.backend = forst      | state.backend: "forst" is none of hashmap, rocksdb
            config =                   | config: it is empty; write a value, or leave the line out
            kafka.bootstrap.servers =  | kafka.bootstrap.servers: it is empty
            sink.alerts.topic = logs   | source.topics: the topic logs is read and written
            """)
    void aMistakeIsToldWithItsPlaceAndMend(String line, String sentence) {
        SettingsException error = assertThrows(SettingsException.class, () -> settings(LIVE + line + "\n"));
        assertTrue(error.getMessage().startsWith("job.properties: " + sentence), error.getMessage());
    }

    @Test
    void aConfigurationIsReadAndItsZoneIsSpelledOut() throws IOException {
        String json = new String(configuration("""
                timezone = "Europe/Berlin"
                allowed_lateness = "20s"
                [[rule]]
                name = "userip"
                quiet = "10m"
                """));
        assertTrue(json.contains("STD-01:00DST-02:00,M3.5.0/02:00,M10.5.0/03:00"), json);
        TimeSettings time = TimeSettings.of(json.getBytes(), 1, 2, false);
        assertEquals(20_000, time.latenessMs());
        assertEquals(620_000, time.farMs());
    }

    @Test
    void aConfigurationThatIsRefusedSaysWhereAndHow() {
        String text = "[[rule]]\nname = \"userip\"\nquiet = \"1s\"\n";
        SettingsException error = assertThrows(SettingsException.class, () -> configuration(text));
        assertTrue(error.getMessage().contains("maxconn.toml: rule[0].quiet: "), error.getMessage());
        error = assertThrows(SettingsException.class, () -> configuration("a = \n"));
        assertTrue(error.getMessage().contains("maxconn.toml:1:"), error.getMessage());
        error = assertThrows(SettingsException.class, () -> configuration("unknown = 1\n"));
        assertTrue(error.getMessage().contains("unknown"), error.getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            Europe/Berlin       | STD-01:00DST-02:00,M3.5.0/02:00,M10.5.0/03:00
            America/New_York    | STD05:00DST04:00,M3.2.0/02:00,M11.1.0/02:00
            Asia/Jerusalem      | STD-02:00DST-03:00,M3.4.4/26:00,M10.5.0/02:00
            Pacific/Chatham     | STD-12:45DST-13:45,M9.5.0/02:45,M4.1.0/03:45
            Australia/Lord_Howe | STD-10:30DST-11:00,M10.1.0/02:00,M4.1.0/02:00
            Europe/Dublin       | STD00:00DST-01:00,M3.5.0/01:00,M10.5.0/02:00
            Asia/Kolkata        | +05:30
            America/Sao_Paulo   | -03:00
            Etc/UTC             | UTC
            +02:00              | +02:00
            CET-1CEST,M3.5.0,M10.5.0/3 | CET-1CEST,M3.5.0,M10.5.0/3
            """)
    void zonesAreWrittenAsTheCommandWritesThem(String zone, String text) {
        assertEquals(text, ZoneText.of(zone));
    }

    /**
     * The command writes the last Thursday's end, {@code M10.5.4/24:00}; Java knows it as the first Friday from the
     * 26th on.
     */
    @Test
    void aChangeMayBeCountedFromAnotherDayOfItsWeek() {
        String text = ZoneText.of("Africa/Cairo");
        assertEquals("STD-02:00DST-03:00,M4.5.5/00:00,M10.4.1/96:00", text);
        for (int year = 2024; year < 2060; year++) {
            var first = LocalDate.of(year, 10, 1);
            var fourthMonday = first.with(TemporalAdjusters.dayOfWeekInMonth(4, DayOfWeek.MONDAY));
            var lastThursday = first.with(TemporalAdjusters.lastInMonth(DayOfWeek.THURSDAY));
            assertEquals(lastThursday.plusDays(1), fourthMonday.plusDays(4), "" + year);
        }
    }

    @Test
    void theGuestTakesEveryZone() {
        for (String zone : ZoneId.getAvailableZoneIds()) {
            String text = ZoneText.of(zone);
            if (!text.equals(zone)) {
                new MaxconnGuest(("{\"timezone\":\"" + text + "\"}").getBytes());
            }
        }
    }

    private byte[] configuration(String toml) throws IOException {
        Path file = folder.resolve("maxconn.toml");
        Files.writeString(file, toml);
        return ConfigurationFile.read(file);
    }

    private static JobSettings settings(String text) throws IOException {
        Properties properties = new Properties();
        properties.load(new StringReader(text));
        return new JobSettings("job.properties", properties);
    }
}
