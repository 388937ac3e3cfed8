package maxconn.flink;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * What the job's properties file says; pipelines/flink/README.md has every key. Unknown keys and impossible values
 * are errors.
 */
public final class JobSettings {
    /** Where a topic is begun. */
    enum Start { COMMITTED, EARLIEST, LATEST, TIME }

    /** Which of Flink's state backends. */
    enum Backend { HASHMAP, ROCKSDB }

    private static final List<String> KEYS = List.of(
            "config", "source.topics", "source.files", "source.time", "source.start", "source.stop", "source.group",
            "sink.records.topic", "sink.records.folder", "sink.alerts.topic", "sink.alerts.folder", "sink.transactions",
            "sink.delivery", "parallelism", "max_parallelism", "checkpoint.every", "checkpoint.folder", "state.backend",
            "time.settle", "time.hold");
    private static final String KAFKA = "kafka.";
    private static final String CONSUMER = "kafka.consumer.";
    private static final String PRODUCER = "kafka.producer.";
    private static final String SERVERS = "kafka.bootstrap.servers";
    /** Kafka's own default for brokers; what is longer is refused by them. */
    private static final String TRANSACTION_TIMEOUT_MS = "900000";

    /** Kafka's producer refuses what is larger than 1 MiB by default, which would end the job for ever. */
    private static final String REQUEST_MAX_BYTES = String.valueOf(32 << 20);
    /** Flink's own limit. */
    private static final long LEAST_CHECKPOINT_MS = 10;

    private final String file;
    private final Map<String, String> values;

    final Path config;
    final List<String> topics;
    final List<String> files;
    final boolean isTimeOfText;
    final Start start;
    final long startMs;
    final boolean stopsAtLatest;
    final String group;
    final String recordsTopic;
    final String recordsFolder;
    final String alertsTopic;
    final String alertsFolder;
    final String transactions;
    final boolean isExactlyOnce;
    final int parallelism;
    final int maxParallelism;
    final Duration checkpointEvery;
    final String checkpointFolder;
    final Backend backend;
    final Duration settle;
    final Duration hold;
    final Properties consumer;
    final Properties producer;

    /** Reads a file. */
    public static JobSettings read(Path file) throws IOException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        } catch (IllegalArgumentException error) {
            throw new SettingsException(file + ": " + error.getMessage()
                    + "; write a line `key = value` for each setting");
        } catch (IOException error) {
            throw unreadable(file, error);
        }
        return new JobSettings(file.toString(), properties);
    }

    /** What is wrong with a file is not in the message of its error: often that is the path alone. */
    static SettingsException unreadable(Path file, IOException error) {
        return new SettingsException(file + ": it cannot be read (" + error.getClass().getSimpleName()
                + "); give a file of UTF-8 text that is there and may be read");
    }

    /** For settings that stand in a file of that name. */
    JobSettings(String file, Properties properties) {
        this.file = file;
        values = new HashMap<>();
        properties.stringPropertyNames().forEach(key -> values.put(key, properties.getProperty(key).trim()));
        for (String key : new TreeSet<>(values.keySet())) {
            if (!KEYS.contains(key) && !key.startsWith(KAFKA)) {
                throw wrong(key, "there is no such key", "the keys are " + String.join(", ", KEYS)
                        + ", and those of Kafka behind "
                        + KAFKA + ", " + CONSUMER + " or " + PRODUCER);
            }
        }
        config = text("config") == null ? null : Path.of(text("config"));
        topics = list("source.topics");
        files = list("source.files");
        oneOf("source.topics", "source.files");
        isTimeOfText = choice("source.time", "record", "record", "text").equals("text");
        start = start();
        startMs = start == Start.TIME ? startMs() : 0;
        stopsAtLatest = choice("source.stop", "never", "never", "latest").equals("latest");
        group = text("source.group", "maxconn");
        recordsTopic = text("sink.records.topic");
        recordsFolder = text("sink.records.folder");
        alertsTopic = text("sink.alerts.topic");
        alertsFolder = text("sink.alerts.folder");
        oneOf("sink.records.topic", "sink.records.folder");
        oneOf("sink.alerts.topic", "sink.alerts.folder");
        transactions = text("sink.transactions", "maxconn");
        isExactlyOnce = choice("sink.delivery", "exactly-once", "exactly-once", "at-least-once").equals("exactly-once");
        parallelism = number("parallelism", 0, 0, 1 << 15);
        maxParallelism = number("max_parallelism", 128, 1, 1 << 15);
        checkpointEvery = duration("checkpoint.every", "10s");
        checkpointFolder = text("checkpoint.folder");
        backend = Backend.valueOf(choice("state.backend", "hashmap", "hashmap", "rocksdb").toUpperCase(Locale.ROOT));
        settle = duration("time.settle", "30s");
        hold = duration("time.hold", "5s");
        consumer = kafka(CONSUMER);
        producer = kafka(PRODUCER);
        producer.putIfAbsent("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
        producer.putIfAbsent("max.request.size", REQUEST_MAX_BYTES);
        check();
    }

    private void check() {
        boolean needsKafka = !topics.isEmpty() || recordsTopic != null || alertsTopic != null;
        if (needsKafka && text(SERVERS) == null) {
            throw wrong(SERVERS, "it is missing", "write the brokers: " + SERVERS + " = kafka-1:9092,kafka-2:9092");
        }
        if (parallelism > maxParallelism) {
            throw wrong("parallelism", "it is more than max_parallelism, " + maxParallelism,
                    "write a smaller number, or set "
                    + "max_parallelism before the first savepoint: it cannot be changed later");
        }
        boolean isTransactional = isExactlyOnce && (recordsTopic != null || alertsTopic != null);
        if (checkpointEvery.isZero() && (!isBounded() || isTransactional)) {
            throw wrong("checkpoint.every", "without checkpoints nothing is handed on for good", "write 10s");
        }
        if (!checkpointEvery.isZero() && checkpointEvery.toMillis() < LEAST_CHECKPOINT_MS) {
            throw wrong("checkpoint.every", "it is less than " + LEAST_CHECKPOINT_MS + "ms", "write 10s");
        }
        for (String topic : new String[] {recordsTopic, alertsTopic}) {
            if (topic != null && topics.contains(topic)) {
                throw wrong("source.topics", "the topic " + topic + " is read and written",
                        "write records and alerts to topics "
                        + "of their own");
            }
        }
    }

    /** Whether the sources end. */
    boolean isBounded() {
        return topics.isEmpty() || stopsAtLatest;
    }

    private Properties kafka(String own) {
        Map<String, String> all = new TreeMap<>();
        values.forEach((key, value) -> {
            if (key.startsWith(KAFKA) && !key.startsWith(CONSUMER) && !key.startsWith(PRODUCER)) {
                all.put(key.substring(KAFKA.length()), value);
            }
        });
        values.forEach((key, value) -> {
            if (key.startsWith(own)) {
                all.put(key.substring(own.length()), value);
            }
        });
        Properties properties = new Properties();
        properties.putAll(all);
        return properties;
    }

    private Start start() {
        String text = text("source.start", "committed");
        for (Start known : new Start[] {Start.COMMITTED, Start.EARLIEST, Start.LATEST}) {
            if (text.equals(known.name().toLowerCase(Locale.ROOT))) {
                return known;
            }
        }
        return Start.TIME;
    }

    private long startMs() {
        try {
            return Instant.parse(text("source.start")).toEpochMilli();
        } catch (DateTimeParseException error) {
            throw wrong("source.start", "\"" + text("source.start")
                    + "\" is none of committed, earliest, latest, and no time",
                    "write one of them, or a time as 2026-03-01T00:00:00Z");
        }
    }

    private String text(String key) {
        return text(key, null);
    }

    private String text(String key, String otherwise) {
        String value = values.get(key);
        if (value != null && value.isEmpty()) {
            throw wrong(key, "it is empty", "write a value, or leave the line out");
        }
        return value == null ? otherwise : value;
    }

    private List<String> list(String key) {
        String value = text(key);
        if (value == null) {
            return List.of();
        }
        List<String> parts = Arrays.stream(value.split(",")).map(String::trim).filter(part -> !part.isEmpty())
                .collect(Collectors.toList());
        if (parts.isEmpty()) {
            throw wrong(key, "it names none", "write one, or several with commas between them");
        }
        return parts;
    }

    private void oneOf(String first, String second) {
        if (values.containsKey(first) == values.containsKey(second)) {
            throw wrong(first, "one of " + first + " and " + second + " must be there, not both", "write one of them");
        }
    }

    private String choice(String key, String otherwise, String... choices) {
        String value = text(key, otherwise);
        if (!List.of(choices).contains(value)) {
            throw wrong(key, "\"" + value + "\" is none of " + String.join(", ", choices), "write one of them");
        }
        return value;
    }

    private int number(String key, int otherwise, int least, int most) {
        String value = text(key);
        if (value == null) {
            return otherwise;
        }
        try {
            int number = Integer.parseInt(value);
            if (number >= Math.max(least, 1) && number <= most) {
                return number;
            }
        } catch (NumberFormatException error) {
            // Told below.
        }
        throw wrong(key, "\"" + value + "\" is no whole number from 1 to " + most, "write one");
    }

    private Duration duration(String key, String otherwise) {
        String value = text(key, otherwise);
        for (String unit : List.of("ms", "s", "m", "h")) {
            String digits = value.endsWith(unit) ? value.substring(0, value.length() - unit.length()) : "";
            if (!digits.isEmpty() && digits.length() <= 9 && digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
                long count = Long.parseLong(digits);
                return switch (unit) {
                    case "ms" -> Duration.ofMillis(count);
                    case "s" -> Duration.ofSeconds(count);
                    case "m" -> Duration.ofMinutes(count);
                    default -> Duration.ofHours(count);
                };
            }
        }
        throw wrong(key, "\"" + value + "\" is no duration", "write a whole number and ms, s, m or h, as 30s");
    }

    private SettingsException wrong(String key, String problem, String mend) {
        return new SettingsException(file + ": " + key + ": " + problem + "; " + mend);
    }
}
