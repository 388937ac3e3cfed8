package maxconn.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** A job in the cluster. */
record Job(Rest rest, String id) {
    JsonNode details() throws Exception {
        return rest.get("/jobs/" + id);
    }

    JsonNode checkpoints() throws Exception {
        return rest.get("/jobs/" + id + "/checkpoints");
    }

    /** Waits until all tasks run. */
    void awaitRunning() throws InterruptedException {
        Wait.untilHolds("a running job " + id, Cluster.PATIENCE, this::runs);
    }

    /** Waits for a checkpoint that began now or later: what was read before now is in the sinks then. */
    void awaitCheckpoint() throws InterruptedException {
        // Two, for the first of them may have begun before.
        long before = Wait.until("the number of checkpoints", Cluster.PATIENCE, () -> Optional.of(completed()));
        Wait.untilHolds("a checkpoint", Cluster.PATIENCE, () -> completed() >= before + 2);
    }

    /** Waits until the job has been restored more often than that, and all its tasks run. */
    void awaitRestored(long before) throws InterruptedException {
        Wait.untilHolds("a job restored from a checkpoint", Cluster.PATIENCE,
                () -> restored() > before && runs());
    }

    /** How often its present job manager has restored it. */
    long restored() throws Exception {
        return checkpoints().get("counts").get("restored").asLong();
    }

    /** Stops it with a savepoint; answers that. {@code drain}: for good, so that nothing waits any more. */
    String stop(Path savepoints, boolean drain) throws Exception {
        Map<String, ?> how = Map.of("targetDirectory", savepoints.toUri(), "drain", drain);
        String request = rest.post("/jobs/" + id + "/stop", how).get("request-id").asText();
        return Wait.until("a savepoint", Cluster.PATIENCE, () -> {
            JsonNode answer = rest.get("/jobs/" + id + "/savepoints/" + request);
            if (!answer.get("status").get("id").asText().equals("COMPLETED")) {
                return Optional.empty();
            }
            JsonNode operation = answer.get("operation");
            if (operation.has("failure-cause")) {
                throw new Failure("no savepoint: " + operation.get("failure-cause"));
            }
            return Optional.of(operation.get("location").asText());
        });
    }

    /** Waits until it has come to its end by itself; answers how long its tasks ran in ms. */
    long awaitEnd() throws InterruptedException {
        return Wait.until("the end of job " + id, Cluster.PATIENCE, () -> {
            JsonNode details = details();
            String state = details.get("state").asText();
            if (state.equals("FAILED") || state.equals("CANCELED")) {
                throw new Failure("job " + id + " is " + state + ": " + rest.get("/jobs/" + id + "/exceptions"));
            }
            if (!state.equals("FINISHED")) {
                return Optional.empty();
            }
            JsonNode times = details.get("timestamps");
            return Optional.of(times.get("FINISHED").asLong() - times.get("RUNNING").asLong());
        });
    }

    /** Makes a checkpoint now, FULL or as CONFIGURED (incremental); answers what the cluster says of it. */
    JsonNode checkpoint(String type) throws Exception {
        String request = rest.post("/jobs/" + id + "/checkpoints", Map.of("checkpointType", type))
                .get("request-id").asText();
        return Wait.until("a checkpoint", Cluster.PATIENCE, () -> {
            JsonNode answer = rest.get("/jobs/" + id + "/checkpoints/" + request);
            if (!answer.get("status").get("id").asText().equals("COMPLETED")) {
                return Optional.empty();
            }
            JsonNode operation = answer.get("operation");
            if (operation.has("failure-cause")) {
                throw new Failure("no checkpoint: " + operation.get("failure-cause"));
            }
            return Optional.of(rest.get("/jobs/" + id + "/checkpoints/details/" + operation.get("checkpointId")));
        });
    }

    void cancel() throws Exception {
        rest.cancel(id);
        Wait.untilHolds("a cancelled job", Cluster.PATIENCE, () -> details().get("state").asText().equals("CANCELED"));
    }

    private boolean runs() throws Exception {
        JsonNode details = details();
        if (!details.get("state").asText().equals("RUNNING")) {
            return false;
        }
        for (JsonNode vertex : details.get("vertices")) {
            // All of them: the vertex itself runs as soon as one of its tasks does.
            if (vertex.get("tasks").get("RUNNING").asInt() != vertex.get("parallelism").asInt()) {
                return false;
            }
        }
        return true;
    }

    private long completed() throws Exception {
        return checkpoints().get("counts").get("completed").asLong();
    }
}
