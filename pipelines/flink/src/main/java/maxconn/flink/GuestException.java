package maxconn.flink;

/** What the guest refused, in its own words: where, what is wrong, how to mend it. */
public final class GuestException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** A place in what was given to the guest; empty if it is all of it. */
    public final String path;
    /** What is wrong there. */
    public final String problem;
    /** What to do. */
    public final String mend;

    GuestException(String path, String problem, String mend) {
        super((path.isEmpty() ? "" : path + ": ") + problem + "; " + mend);
        this.path = path;
        this.problem = problem;
        this.mend = mend;
    }
}
