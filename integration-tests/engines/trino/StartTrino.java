/** Starts Trino's server; the archive's own launcher class is not among the Maven jars. */
public final class StartTrino {
    public static void main(String[] arguments) {
        new io.trino.server.Server().start(arguments[0]);
    }
}
