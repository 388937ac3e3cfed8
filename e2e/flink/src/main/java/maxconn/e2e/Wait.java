package maxconn.e2e;

import java.time.Duration;
import java.util.Optional;

/** Waits for conditions by looking again and again, as long as all programs run. */
final class Wait {
    private static final Duration PAUSE = Duration.ofMillis(50);

    private Wait() {}

    interface Look<T> {
        /** What is waited for, once it is there. */
        Optional<T> look() throws Exception;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    /** Waits until something is there. What a look throws means "not yet", and is told if the time is over. */
    static <T> T until(String what, Duration patience, Look<T> look) throws InterruptedException {
        long begun = System.nanoTime();
        Exception last = null;
        while (System.nanoTime() - begun < patience.toNanos()) {
            try {
                Optional<T> found = look.look();
                if (found.isPresent()) {
                    return found.get();
                }
                last = null;
            } catch (InterruptedException | Failure error) {
                throw error;
            } catch (Exception error) {
                last = error;
            }
            Program.allAlive();
            Thread.sleep(PAUSE.toMillis());
        }
        throw new Failure(what + " does not come within " + patience.toSeconds() + " s"
                + (last == null ? "" : ": " + last));
    }

    static void untilHolds(String what, Duration patience, Condition condition) throws InterruptedException {
        until(what, patience, () -> condition.holds() ? Optional.of(true) : Optional.empty());
    }
}
