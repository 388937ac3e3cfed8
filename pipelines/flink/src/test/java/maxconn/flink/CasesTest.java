package maxconn.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * The job tells of the floods of every log of the tests as {@code maxconn replay} does, byte for byte, whatever the
 * parallelism. The command is that of the system property {@code maxconn.command}.
 */
class CasesTest {
    private static final Path ROOT = Path.of("../..");
    private static final Path COMMAND = Path.of(System.getProperty("maxconn.command", "../../target/release/maxconn"));

    @RegisterExtension
    static final MiniClusterExtension CLUSTER = new MiniClusterExtension(new MiniClusterResourceConfiguration.Builder()
            .setNumberTaskManagers(1).setNumberSlotsPerTaskManager(4).build());

    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> everyLogHasTheAlertsOfOneMachine() throws IOException {
        List<Path> logs = new ArrayList<>();
        for (String kind : List.of("dovecot", "servers")) {
            try (Stream<Path> found = Files.list(ROOT.resolve("testdata").resolve(kind))) {
                found.filter(file -> file.getFileName().toString().contains(".log")).sorted().forEach(logs::add);
            }
        }
        assertTrue(logs.size() > 20, logs.toString());
        return logs.stream().map(log -> DynamicTest.dynamicTest(log.getFileName().toString(), () -> {
            List<String> expected = replayed(log);
            for (int parallelism : new int[] {1, 2, 4}) {
                assertEquals(String.join("\n", expected), String.join("\n", run(parallelism, log)), "at "
                        + parallelism);
            }
        }));
    }

    /**
     * Lines of an incident go to four files in turn, so that its floods span them: the order of time puts them
     * together.
     */
    @TestFactory
    Stream<DynamicTest> incidentsOverSeveralFilesHaveTheAlertsOfOneMachine() {
        return Stream.of("mixed", "retry-storm", "many-addresses").map(cause -> DynamicTest.dynamicTest(cause, () -> {
            List<String> lines = command("generate", "--cause", cause, "--lines", "12000", "--format", "rfc3164");
            Path into = Files.createDirectory(folder.resolve(cause));
            List<List<String>> hosts = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(),
                    new ArrayList<>());
            for (int line = 0; line < lines.size(); line++) {
                hosts.get(line % hosts.size()).add(lines.get(line));
            }
            Path[] logs = new Path[hosts.size()];
            for (int host = 0; host < logs.length; host++) {
                logs[host] = Files.write(into.resolve("mail" + host + ".log"), hosts.get(host));
            }
            List<String> expected = replayed(logs);
            assertTrue(expected.size() > 1, cause + ": " + expected.size());
            for (int parallelism : new int[] {1, 2, 4}) {
                assertEquals(String.join("\n", expected), String.join("\n", run(parallelism, logs)), "at "
                        + parallelism);
            }
        }));
    }

    @Test
    void recordsGoOnAndSomeAreEnriched() throws Exception {
        Path log = ROOT.resolve("testdata/dovecot/02_scenarios-info.log");
        run(2, log);
        List<String> records = lines(folder.resolve("records"));
        List<String> lines = Files.readAllLines(log);
        long untouched = records.stream().filter(lines::contains).count();
        long enriched =
                records.stream().filter(record -> record.contains("\"action\":\"connection-limit-exceeded\"")).count();
        assertTrue(untouched > 0 && enriched > 0, untouched + " " + enriched);
        assertEquals(records.size(), untouched + enriched);
    }

    private List<String> run(int parallelism, Path... logs) throws Exception {
        Path out = Files.createTempDirectory(folder, "run");
        Properties properties = new Properties();
        properties.setProperty("source.files", String.join(",", Stream.of(logs).map(Path::toString).toList()));
        properties.setProperty("sink.records.folder", folder.resolve("records").toString());
        properties.setProperty("sink.alerts.folder", out.toString());
        properties.setProperty("parallelism", String.valueOf(parallelism));
        properties.setProperty("checkpoint.every", "0s");
        var environment = StreamExecutionEnvironment.getExecutionEnvironment();
        MaxconnJob.build(environment, new JobSettings("test", properties), Logs.DEFAULTS);
        environment.execute();
        return lines(out);
    }

    private static List<String> lines(Path folder) throws IOException {
        List<String> lines = new ArrayList<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                lines.addAll(Files.readAllLines(file));
            }
        }
        return lines.stream().sorted().toList();
    }

    private static List<String> replayed(Path... logs) throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of("replay", "--only", "alerts"));
        Stream.of(logs).map(Path::toString).forEach(arguments::add);
        return command(arguments.toArray(String[]::new)).stream().sorted().toList();
    }

    /** What the command writes; a command that fails fails the test. */
    private static List<String> command(String... arguments) throws IOException, InterruptedException {
        assertTrue(Files.isExecutable(COMMAND), COMMAND + " is missing: make build, or -Dmaxconn.command=PATH");
        List<String> whole = new ArrayList<>(List.of(COMMAND.toString()));
        whole.addAll(List.of(arguments));
        Process process = new ProcessBuilder(whole).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        List<String> lines;
        try (Stream<String> read = process.inputReader().lines()) {
            lines = read.toList();
        }
        assertEquals(0, process.waitFor(), String.join(" ", whole));
        return lines;
    }
}
