package maxconn.e2e;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A Java program that runs beside the test and ends with it, whatever happens to the test. Start it on the main
 * thread, with whose end the system kills it. It must run until it is killed; what it says is in its log.
 */
final class Program {
    private static final int TOLD_LINES = 40;
    /** In the order of their starts, so that a failure can show what all of them said. */
    private static final List<Program> RUNNING = new ArrayList<>();

    final String name;
    private final Path log;
    private final Process process;

    private Program(String name, Path log, Process process) {
        this.name = name;
        this.log = log;
        this.process = process;
    }

    /** Starts the class {@code main} with options of the JVM and arguments. */
    static Program start(String name, Path log, String classPath, List<String> options, String main,
            String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("setpriv", "--pdeathsig", "KILL", "--", java()));
        command.addAll(options);
        command.addAll(List.of("-cp", classPath, main));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
        Program program = new Program(name, log, process);
        RUNNING.add(program);
        return program;
    }

    /** Runs such a program to its end. */
    static void run(String name, Path log, String classPath, List<String> options, String main, String... arguments)
            throws IOException, InterruptedException {
        Program program = start(name, log, classPath, options, main, arguments);
        RUNNING.remove(program);
        if (program.process.waitFor() != 0) {
            throw new Failure(name + " ended with " + program.process.exitValue() + program.told());
        }
    }

    /** Ends it as a power cut would. */
    void kill() throws InterruptedException {
        RUNNING.remove(this);
        process.destroyForcibly();
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            throw new Failure(name + " does not die");
        }
    }

    static void killAll() {
        for (Program program : RUNNING) {
            program.process.destroyForcibly();
        }
        RUNNING.clear();
    }

    /** Fails if one of them has ended by itself. */
    static void allAlive() {
        for (Program program : RUNNING) {
            if (!program.process.isAlive()) {
                throw new Failure(program.name + " has ended with " + program.process.exitValue());
            }
        }
    }

    /** The end of each one's log. */
    static String allTold() {
        StringBuilder all = new StringBuilder();
        for (Program program : RUNNING) {
            all.append(program.told());
        }
        return all.toString();
    }

    private String told() {
        try {
            List<String> lines = Files.readAllLines(log, StandardCharsets.ISO_8859_1);
            List<String> last = lines.subList(Math.max(0, lines.size() - TOLD_LINES), lines.size());
            return "\n--- " + name + " said (" + log + ")\n" + String.join("\n", last);
        } catch (IOException error) {
            return "\n--- " + name + ": its log can't be read: " + error;
        }
    }

    private static String java() {
        return System.getProperty("java.home") + File.separator + "bin" + File.separator + "java";
    }
}
