import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache's command-line tools one after the other in one JVM: each command names a tool's
 * class, its arguments and its input, and is answered with what it printed and its exit status.
 * The tools leave the JVM by Kafka's own Exit, which lets itself be replaced.
 */
public final class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** What a tool throws in place of ending the JVM. */
    private static final class Ended extends Error {
        private Ended() {
            super("the tool has ended", null, false, false);
        }
    }

    private final Printed printed = new Printed();
    private final List<Runnable> hooks = new CopyOnWriteArrayList<>();
    /** Of the first exit: a tool that catches everything may exit again. */
    private volatile Integer status;

    public static void main(String[] arguments) throws IOException {
        PrintStream answers = System.out;
        BufferedReader commands =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Tools tools = new Tools();
        // Once and for all: Scala's println keeps the stream that it found first.
        System.setOut(new PrintStream(tools.printed, true));
        System.setErr(new PrintStream(tools.printed, true));
        Exit.setExitProcedure(tools::exit);
        Exit.setHaltProcedure(tools::exit);
        Exit.setShutdownHookAdder((name, hook) -> tools.hooks.add(hook));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            JsonNode command = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            answer.set("id", command.get("id"));
            ObjectNode ok = answer.putObject("ok");
            ok.put("status", tools.run(command)).put("output", tools.printed.take());
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private void exit(int status, String message) {
        if (this.status == null) {
            this.status = status;
        }
        throw new Ended();
    }

    private int run(JsonNode command) {
        status = null;
        hooks.clear();
        List<String> arguments = new ArrayList<>();
        command.get("arguments").forEach(argument -> arguments.add(argument.asText()));
        System.setIn(
                new ByteArrayInputStream(
                        command.get("input").asText().getBytes(StandardCharsets.UTF_8)));
        try {
            Class.forName(command.get("class").asText())
                    .getMethod("main", String[].class)
                    .invoke(null, (Object) arguments.toArray(new String[0]));
        } catch (InvocationTargetException failure) {
            if (!(failure.getCause() instanceof Ended)) {
                failure.getCause().printStackTrace();
                status = status == null ? Integer.valueOf(1) : status;
            }
        } catch (ReflectiveOperationException failure) {
            throw new IllegalArgumentException(failure);
        }
        for (Runnable hook : hooks) {
            hook.run();
        }
        return status == null ? 0 : status;
    }

    /** What the present tool has printed. */
    private static final class Printed extends OutputStream {
        private ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int value) {
            bytes.write(value);
        }

        @Override
        public synchronized void write(byte[] buffer, int offset, int length) {
            bytes.write(buffer, offset, length);
        }

        private synchronized String take() {
            String text = bytes.toString(StandardCharsets.UTF_8);
            bytes = new ByteArrayOutputStream();
            return text;
        }
    }
}
