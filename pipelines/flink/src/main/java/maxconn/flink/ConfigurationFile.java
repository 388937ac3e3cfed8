package maxconn.flink;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads the product's configuration, TOML for people, and makes of it the JSON that the guest takes. */
final class ConfigurationFile {
    private static final String NONE = "{}";
    private static final String ZONE = "timezone";

    private ConfigurationFile() {}

    /** The JSON of a file that the guest was asked about; what is built in, if the path is null. */
    static byte[] read(Path file) throws IOException {
        if (file == null) {
            return NONE.getBytes(StandardCharsets.UTF_8);
        }
        JsonNode root;
        try {
            root = new TomlMapper().readTree(Files.readString(file));
        } catch (JacksonException error) {
            var at = error.getLocation();
            throw new SettingsException(file + ":" + at.getLineNr() + ":" + at.getColumnNr() + ": "
                    + error.getOriginalMessage() + "; write TOML as docs/configuration.md has it");
        } catch (IOException error) {
            throw JobSettings.unreadable(file, error);
        }
        if (root instanceof ObjectNode object && object.path(ZONE).isTextual()) {
            object.put(ZONE, ZoneText.of(object.path(ZONE).asText()));
        }
        byte[] json = new ObjectMapper().writeValueAsBytes(root.isMissingNode()
                ? new ObjectMapper().createObjectNode() : root);
        try {
            new MaxconnGuest(json);
        } catch (GuestException refusal) {
            throw new SettingsException(file + ": " + refusal.getMessage());
        }
        return json;
    }
}
