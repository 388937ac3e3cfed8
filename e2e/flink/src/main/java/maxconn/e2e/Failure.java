package maxconn.e2e;

/** The test has failed; the message says what was expected and what was there. */
final class Failure extends RuntimeException {
    Failure(String message) {
        super(message);
    }
}
