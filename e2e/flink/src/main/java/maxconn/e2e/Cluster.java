package maxconn.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A Flink cluster of processes: a job manager, two task managers of one slot each, and the ZooKeeper that lets another
 * job manager take over. Jobs and checkpoints are in files; state is in RocksDB.
 */
final class Cluster {
    static final int SLOTS = 2;
    static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final String ZOOKEEPER =
            "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain";
    private static final String JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint";
    private static final String TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner";
    /** What Flink's own start scripts open of Java 17 (env.java.opts.all of its configuration). */
    static final List<String> OPENED = List.of(
            "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
            "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
            "--add-opens=java.base/java.net=ALL-UNNAMED",
            "--add-opens=java.base/java.io=ALL-UNNAMED",
            "--add-opens=java.base/java.nio=ALL-UNNAMED",
            "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
            "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
            "--add-opens=java.base/java.text=ALL-UNNAMED",
            "--add-opens=java.base/java.time=ALL-UNNAMED",
            "--add-opens=java.base/java.util=ALL-UNNAMED",
            "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
            "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
            "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED");

    final Rest rest;
    final Path savepoints;
    private final Layout layout;
    private final Path folder;
    private Program jobManager;
    private final List<Program> taskManagers = new ArrayList<>();
    private int started;

    Cluster(Layout layout) throws Exception {
        this.layout = layout;
        folder = layout.folder("flink");
        savepoints = layout.folder("flink/savepoints");
        int[] ports = Layout.freePorts(3);
        rest = new Rest(ports[0]);
        Files.writeString(folder.resolve("config.yaml"), """
                rest.address: 127.0.0.1
                rest.bind-address: 127.0.0.1
                rest.port: %1$d
                jobmanager.rpc.address: 127.0.0.1
                jobmanager.bind-host: 127.0.0.1
                jobmanager.rpc.port: %2$d
                taskmanager.host: 127.0.0.1
                taskmanager.bind-host: 127.0.0.1
                taskmanager.numberOfTaskSlots: 1
                # What the start scripts work out from the size of the process.
                taskmanager.cpu.cores: 1.0
                taskmanager.memory.task.heap.size: 768m
                taskmanager.memory.task.off-heap.size: 256m
                taskmanager.memory.framework.heap.size: 128m
                taskmanager.memory.framework.off-heap.size: 128m
                taskmanager.memory.network.min: 96m
                taskmanager.memory.network.max: 96m
                taskmanager.memory.managed.size: 512m
                taskmanager.memory.jvm-metaspace.size: 256m
                taskmanager.memory.jvm-overhead.min: 128m
                taskmanager.memory.jvm-overhead.max: 128m
                high-availability.type: zookeeper
                high-availability.zookeeper.quorum: 127.0.0.1:%3$d
                high-availability.zookeeper.client.session-timeout: 5 s
                high-availability.storageDir: file://%4$s/ha
                high-availability.cluster-id: /e2e
                # A killed process is to be missed within seconds.
                heartbeat.interval: 1 s
                heartbeat.timeout: 6 s
                restart-strategy.type: fixed-delay
                restart-strategy.fixed-delay.attempts: 1000
                restart-strategy.fixed-delay.delay: 200 ms
                state.backend.type: rocksdb
                execution.checkpointing.incremental: true
                execution.checkpointing.dir: file://%4$s/checkpoints
                io.tmp.dirs: %4$s/tmp
                web.tmpdir: %4$s/web
                web.refresh-interval: 200
                """.formatted(ports[0], ports[1], ports[2], folder));
        Files.createDirectories(folder.resolve("tmp"));
        Path zookeeper = Files.writeString(folder.resolve("zookeeper.cfg"), """
                clientPortAddress=127.0.0.1
                clientPort=%d
                dataDir=%s/zookeeper
                admin.enableServer=false
                """.formatted(ports[2], folder));
        Program.start("ZooKeeper", folder.resolve("zookeeper.log"), layout.flinkClassPath(), List.of("-Xmx128m"),
                ZOOKEEPER, zookeeper.toString());
        startJobManager();
        for (int slot = 0; slot < SLOTS; slot++) {
            startTaskManager();
        }
        Wait.untilHolds("a cluster with all slots", PATIENCE,
                () -> rest.get("/overview").get("slots-available").asInt() == SLOTS);
    }

    /** Kills the first task manager, then starts another in its place. */
    void replaceTaskManager() throws Exception {
        taskManagers.remove(0).kill();
        startTaskManager();
    }

    /** Kills the job manager, then starts another in its place. */
    void replaceJobManager() throws Exception {
        jobManager.kill();
        startJobManager();
    }

    /** Starts the main class of a jar; answers the job. */
    Job submit(String jar, String main, int parallelism, String savepoint, String... arguments) throws Exception {
        Map<String, Object> body = new HashMap<>();
        body.put("entryClass", main);
        body.put("parallelism", parallelism);
        body.put("programArgsList", List.of(arguments));
        if (savepoint != null) {
            body.put("savepointPath", savepoint);
        }
        return new Job(rest, rest.post("/jars/" + jar + "/run", body).get("jobid").asText());
    }

    private void startJobManager() throws IOException {
        jobManager = start("the job manager", JOB_MANAGER, List.of("-Xmx768m"));
    }

    private void startTaskManager() throws IOException {
        String name = "task manager " + ++started;
        taskManagers.add(start(name, TASK_MANAGER, List.of("-Xmx896m", "-XX:MaxDirectMemorySize=480m")));
    }

    private Program start(String name, String main, List<String> options) throws IOException {
        List<String> all = new ArrayList<>(OPENED);
        all.addAll(options);
        // As the start scripts have it.
        all.add("-XX:+UseG1GC");
        return Program.start(name, folder.resolve(name.replace(' ', '-') + ".log"), layout.flinkClassPath(), all, main,
                "--configDir", folder.toString());
    }
}
