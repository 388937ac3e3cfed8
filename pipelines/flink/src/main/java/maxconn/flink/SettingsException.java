package maxconn.flink;

/** What is wrong in a file of settings, where, and how to mend it: one sentence for the person who wrote it. */
public final class SettingsException extends RuntimeException {
    private static final long serialVersionUID = 1;

    SettingsException(String sentence) {
        super(sentence);
    }
}
