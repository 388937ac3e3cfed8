package maxconn.flink;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;

/** The job: log records in, records and alerts out. One argument: the properties file. */
public final class MaxconnJob {
    private static final int WRONG_SETTINGS = 2;

    private MaxconnJob() {}

    /** Submits the job. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("maxconn-flink: give the properties file, and nothing else");
            System.exit(WRONG_SETTINGS);
        }
        JobSettings settings;
        byte[] configuration;
        try {
            settings = JobSettings.read(Path.of(arguments[0]));
            configuration = ConfigurationFile.read(settings.config);
        } catch (SettingsException | IOException error) {
            System.err.println("maxconn-flink: " + error.getMessage());
            System.exit(WRONG_SETTINGS);
            return;
        }
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment(flink(settings));
        build(environment, settings, configuration);
        environment.execute("maxconn");
    }

    /** What Flink is told; what the settings do not say is as the cluster has it. */
    static Configuration flink(JobSettings settings) {
        Configuration flink = new Configuration();
        flink.set(StateBackendOptions.STATE_BACKEND, settings.backend.name().toLowerCase(Locale.ROOT));
        flink.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        if (settings.checkpointFolder != null) {
            flink.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, settings.checkpointFolder);
        }
        return flink;
    }

    /** Lays the job out: its shape depends on the rules alone. */
    static void build(StreamExecutionEnvironment environment, JobSettings settings, byte[] configuration) {
        environment.setRuntimeMode(RuntimeExecutionMode.STREAMING);
        // Our values are never written to once they are made.
        environment.getConfig().enableObjectReuse();
        if (settings.parallelism > 0) {
            environment.setParallelism(settings.parallelism);
        }
        environment.setMaxParallelism(settings.maxParallelism);
        if (!settings.checkpointEvery.isZero()) {
            environment.enableCheckpointing(settings.checkpointEvery.toMillis());
        }
        DataStream<LogRecord> source = source(environment, settings);
        // Files are read one after the other, in no order of time: all is held until the last is read.
        long holdMs = settings.topics.isEmpty() ? Long.MAX_VALUE : settings.hold.toMillis();
        TimeSettings time = TimeSettings.of(configuration, settings.settle.toMillis(), holdMs, settings.isTimeOfText);
        Streams out = detect(source, configuration, time, settings.isBounded());
        out.passed.sinkTo(records(settings, "passed")).name("passed records").uid("passed-sink");
        out.enriched.sinkTo(records(settings, "enriched")).name("enriched records").uid("enriched-sink");
        out.alerts.sinkTo(alerts(settings)).name("alerts").uid("alerts-sink");
    }

    /** What comes out: records without an event, records with one that go on, alerts. */
    public record Streams(DataStream<LogRecord> passed, DataStream<LogRecord> enriched, DataStream<byte[]> alerts) {}

    /** The part between sources and sinks, for jobs of one's own too. */
    public static Streams detect(DataStream<LogRecord> source, byte[] configuration, TimeSettings time,
            boolean isBounded) {
        Rules rules = new MaxconnGuest(configuration).rules();
        var passed = source
                .transform("classify", LogRecord.TYPE, new Classify(configuration, time, isBounded))
                .uid("classify");
        DataStream<Event> events = passed.getSideOutput(Classify.EVENTS);
        List<DataStream<byte[]>> alerts = new ArrayList<>();
        for (int stage = 0; stage < rules.stages(); stage++) {
            SingleOutputStreamOperator<Event> step = events
                    .keyBy(new StageKey(rules, stage), Types.STRING)
                    .transform("step " + stage, Event.TYPE, new Step(configuration, rules, time, stage))
                    .uid("step-" + stage);
            alerts.add(step.getSideOutput(Step.ALERTS));
            events = step;
        }
        DataStream<LogRecord> enriched =
                events.flatMap(new Enrich(configuration)).returns(LogRecord.TYPE).name("enrich").uid("enrich");
        DataStream<byte[]> all = alerts.get(0);
        for (DataStream<byte[]> more : alerts.subList(1, alerts.size())) {
            all = all.union(more);
        }
        return new Streams(passed, enriched, all);
    }

    private static DataStream<LogRecord> source(StreamExecutionEnvironment environment, JobSettings settings) {
        if (settings.topics.isEmpty()) {
            var paths = settings.files.stream().map(org.apache.flink.core.fs.Path::new);
            var files = FileSource.forBulkFileFormat(
                    new LineFormat(), paths.toArray(org.apache.flink.core.fs.Path[]::new)).build();
            return environment
                    .fromSource(files, WatermarkStrategy.noWatermarks(), "files", LogRecord.TYPE)
                    .uid("source");
        }
        OffsetsInitializer start = switch (settings.start) {
            case COMMITTED -> OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST);
            case EARLIEST -> OffsetsInitializer.earliest();
            case LATEST -> OffsetsInitializer.latest();
            case TIME -> OffsetsInitializer.timestamp(settings.startMs);
        };
        var kafka = KafkaSource.<LogRecord>builder()
                .setTopics(settings.topics)
                .setGroupId(settings.group)
                .setStartingOffsets(start)
                .setProperties(settings.consumer)
                .setDeserializer(new KafkaRecords.Reading());
        if (settings.stopsAtLatest) {
            kafka.setBounded(OffsetsInitializer.latest());
        }
        return environment
                .fromSource(kafka.build(), WatermarkStrategy.noWatermarks(), "kafka", LogRecord.TYPE)
                .uid("source");
    }

    private static Sink<LogRecord> records(JobSettings settings, String part) {
        if (settings.recordsTopic != null) {
            return kafka(settings, new KafkaRecords.WritingRecords(settings.recordsTopic), part);
        }
        return files(settings.recordsFolder, (record, out) -> {
            if (record.value() != null) {
                out.write(record.value());
                out.write('\n');
            }
        });
    }

    private static Sink<byte[]> alerts(JobSettings settings) {
        if (settings.alertsTopic != null) {
            return kafka(settings, new KafkaRecords.WritingAlerts(settings.alertsTopic), "alerts");
        }
        return files(settings.alertsFolder, (alert, out) -> {
            out.write(alert);
            out.write('\n');
        });
    }

    private static <T> Sink<T> kafka(JobSettings settings, KafkaRecordSerializationSchema<T> schema, String part) {
        DeliveryGuarantee delivery =
                settings.isExactlyOnce ? DeliveryGuarantee.EXACTLY_ONCE : DeliveryGuarantee.AT_LEAST_ONCE;
        return KafkaSink.<T>builder()
                .setBootstrapServers(settings.producer.getProperty("bootstrap.servers"))
                .setKafkaProducerConfig(settings.producer)
                .setDeliveryGuarantee(delivery)
                .setTransactionalIdPrefix(settings.transactions + "-" + part)
                .setRecordSerializer(schema)
                .build();
    }

    private static <T> Sink<T> files(String folder, Encoder<T> encoder) {
        return FileSink.forRowFormat(new org.apache.flink.core.fs.Path(folder), encoder).build();
    }
}
