package maxconn.e2e;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import maxconn.flink.LogRecord;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * A job of the product's shape as somebody would write it without the product: records without an event leave at the
 * first operator, those with one are counted by key in event time. It does less: one rule, no enrichment, no causes.
 */
final class RegexPipeline {
    private static final int THRESHOLD = 30;
    private static final long WITHIN_MS = 60_000;
    private static final long QUIET_MS = 300_000;
    private static final OutputTag<Tuple2<String, Long>> EVENTS =
            new OutputTag<>("events", Types.TUPLE(Types.STRING, Types.LONG));

    private RegexPipeline() {}

    /** Ends in sinks that keep nothing. */
    static void build(DataStream<LogRecord> records, List<Pattern> patterns) {
        SingleOutputStreamOperator<LogRecord> others = records.process(new Classify(patterns)).returns(LogRecord.TYPE);
        others.sinkTo(new DiscardingSink<>());
        others.getSideOutput(EVENTS)
                .assignTimestampsAndWatermarks(
                        WatermarkStrategy.<Tuple2<String, Long>>forBoundedOutOfOrderness(Duration.ofSeconds(5))
                                .withTimestampAssigner((event, any) -> event.f1))
                .keyBy(event -> event.f0)
                .process(new Count())
                .sinkTo(new DiscardingSink<>());
    }

    private static final class Classify extends ProcessFunction<LogRecord, LogRecord> {
        private static final long serialVersionUID = 1;
        private final List<Pattern> patterns;

        Classify(List<Pattern> patterns) {
            this.patterns = patterns;
        }

        @Override
        public void processElement(LogRecord record, Context context, Collector<LogRecord> out) {
            String key = Patterns.key(patterns, new String(record.value(), StandardCharsets.UTF_8));
            if (key == null) {
                out.collect(record);
            } else {
                context.output(EVENTS, Tuple2.of(key, record.timeMs()));
            }
        }
    }

    /** Tumbling counts: a flood opens with the thirtieth of a minute, and ends when it has been quiet. */
    private static final class Count extends KeyedProcessFunction<String, Tuple2<String, Long>, String> {
        private static final long serialVersionUID = 1;
        /** Start of the window, last event, count. */
        private transient ValueState<Tuple3<Long, Long, Long>> state;

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext().getState(
                    new ValueStateDescriptor<>("flood", Types.TUPLE(Types.LONG, Types.LONG, Types.LONG)));
        }

        @Override
        public void processElement(Tuple2<String, Long> event, Context context, Collector<String> out)
                throws Exception {
            Tuple3<Long, Long, Long> flood = state.value();
            boolean isNew = flood == null || flood.f2 < THRESHOLD && event.f1 - flood.f0 >= WITHIN_MS;
            flood = isNew ? Tuple3.of(event.f1, event.f1, 1L) : Tuple3.of(flood.f0, event.f1, flood.f2 + 1);
            state.update(flood);
            if (flood.f2 == 1) {
                context.timerService().registerEventTimeTimer(event.f1 + QUIET_MS);
            } else if (flood.f2 == THRESHOLD) {
                out.collect("start " + event.f0);
            }
        }

        @Override
        public void onTimer(long timeMs, OnTimerContext context, Collector<String> out) throws Exception {
            Tuple3<Long, Long, Long> flood = state.value();
            if (flood == null) {
                return;
            }
            if (flood.f1 + QUIET_MS > timeMs) {
                context.timerService().registerEventTimeTimer(flood.f1 + QUIET_MS);
                return;
            }
            if (flood.f2 >= THRESHOLD) {
                out.collect("end " + context.getCurrentKey() + " " + flood.f2);
            }
            state.clear();
        }
    }
}
