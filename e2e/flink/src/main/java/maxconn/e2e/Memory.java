package maxconn.e2e;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What is measured from memory: no Kafka, no files, one process, first the product's job, then regular expressions. */
final class Memory {
    private static final String MAIN = "maxconn.e2e.FromMemory";
    private static final String ANSWER = "RECORDS_PER_SECOND=";

    private Memory() {}

    static void measure(Layout layout, Figures figures) throws Exception {
        double one = rate(layout, "maxconn", 1, 6_000_000);
        figures.add("from memory, parallelism 1", "%,.0f records/s", one);
        double two = rate(layout, "maxconn", 2, 12_000_000);
        figures.add("from memory, parallelism 2", "%,.0f records/s, %.2f times", two, two / one);
        double all = rate(layout, "regex", 1, 400_000);
        figures.add("java.util.regex, all servers' messages", "%,.0f records/s, maxconn has %.1f times", all,
                one / all);
        double oneDovecot = rate(layout, "maxconn-dovecot", 1, 4_000_000);
        double dovecot = rate(layout, "regex-dovecot", 1, 4_000_000);
        figures.add("java.util.regex, two messages of Dovecot",
                "%,.0f records/s, maxconn for Dovecot alone %,.0f: %.1f times", dovecot, oneDovecot,
                oneDovecot / dovecot);
    }

    private static double rate(Layout layout, String what, int parallelism, int records) throws Exception {
        Path log = layout.folder("memory").resolve(what + "-" + parallelism + ".log");
        List<String> options = new ArrayList<>(Cluster.OPENED);
        options.addAll(List.of("-Xmx2g", "-XX:+UseG1GC", "-Dlog.level=WARN"));
        Program.run("the job from memory", log, layout.flinkClassPath() + ":" + layout.job(), options, MAIN, what,
                Integer.toString(parallelism), Integer.toString(records));
        return Files.readAllLines(log).stream().filter(line -> line.startsWith(ANSWER)).findFirst()
                .map(line -> Double.parseDouble(line.substring(ANSWER.length())))
                .orElseThrow(() -> new Failure("no figure in " + log));
    }
}
