package maxconn.flink;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.record.TimestampType;

/** Reads and writes Kafka's records. */
final class KafkaRecords {
    private KafkaRecords() {}

    /** Takes records as they are. */
    static final class Reading implements KafkaRecordDeserializationSchema<LogRecord> {
        private static final long serialVersionUID = 1;

        private transient String topic;

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<LogRecord> out) {
            // The consumer makes a string for each batch; one for all makes comparing it cheap.
            if (!record.topic().equals(topic)) {
                topic = record.topic();
            }
            byte[] headers = KafkaHeaders.isEmpty(record.headers()) ? null : KafkaHeaders.pack(record.headers());
            // Redpanda and old producers write 0 where there is none.
            boolean isTimed = record.timestampType() != TimestampType.NO_TIMESTAMP_TYPE && record.timestamp() > 0;
            out.collect(new LogRecord(record.value(), record.key(), headers, topic, record.partition(), record.offset(),
                    isTimed ? record.timestamp() : MaxconnGuest.NO_TIME, MaxconnGuest.NO_TIME));
        }

        @Override
        public TypeInformation<LogRecord> getProducedType() {
            return LogRecord.TYPE;
        }
    }

    /** Records that go on keep key, headers, timestamp and, as far as the topic has as many, partition. */
    record WritingRecords(String topic) implements KafkaRecordSerializationSchema<LogRecord> {
        @Override
        public ProducerRecord<byte[], byte[]> serialize(LogRecord record, KafkaSinkContext context, Long timestamp) {
            Integer partition = null;
            if (!record.isFromFile()) {
                partition = record.partition() % context.getPartitionsForTopic(topic).length;
            }
            Long timeMs = record.timeMs() == MaxconnGuest.NO_TIME ? null : (Long) record.timeMs();
            var written = new ProducerRecord<>(topic, partition, timeMs, record.key(), record.value());
            KafkaHeaders.unpack(record.headers(), written.headers());
            return written;
        }
    }

    /** Alerts have the flood's key, so that those of one flood stay in order, and a header that says what they are. */
    record WritingAlerts(String topic) implements KafkaRecordSerializationSchema<byte[]> {
        private static final ObjectMapper JSON = new ObjectMapper();

        @Override
        public ProducerRecord<byte[], byte[]> serialize(byte[] alert, KafkaSinkContext context, Long timestamp) {
            try {
                JsonNode flood = JSON.readTree(alert).at("/maxconn/flood");
                byte[] key = flood.path("key").asText().getBytes(StandardCharsets.UTF_8);
                var written = new ProducerRecord<>(topic, key, alert);
                written.headers().add("maxconn", flood.path("state").asText().getBytes(StandardCharsets.UTF_8));
                return written;
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
