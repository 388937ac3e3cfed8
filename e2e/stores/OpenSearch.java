import static org.codelibs.opensearch.runner.OpenSearchRunner.newConfigs;

import org.codelibs.opensearch.runner.OpenSearchRunner;

/** An OpenSearch on loopback: its folder, and settings as KEY=VALUE, are the arguments. It runs until it is killed. */
public class OpenSearch {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
            for (int index = 1; index < arguments.length; index++) {
                String[] setting = arguments[index].split("=", 2);
                settings.put(setting[0], setting[1]);
            }
        }).build(newConfigs().basePath(arguments[0]).numOfNode(1).clusterName("e2e"));
        runner.ensureYellow();
        Thread.currentThread().join();
    }
}
