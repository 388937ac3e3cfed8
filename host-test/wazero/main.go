// Command wazero runs the Redpanda guest once under the engine of Redpanda Connect: a flood of a real log goes
// in as Connect hands records over, and what the guest says of it is counted. `make wazero` calls it.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

const noTransform, invalidBuffer, brokerPages, batchRecords = -1, -2, 32, 1000

// host holds what goes in and counts what comes out.
type host struct {
	lines, batch   [][]byte
	passed, events int
	alerts         map[string]int
}

func (h *host) readBatchHeader(_ context.Context, m api.Module, _, records, _, _, _, _, _, _, _, _ uint32) int32 {
	if len(h.lines) == 0 {
		return noTransform
	}
	n := min(batchRecords, len(h.lines))
	h.batch, h.lines = h.lines[:n], h.lines[n:]
	longest := 0
	for _, line := range h.batch {
		longest = max(longest, len(line))
	}
	m.Memory().WriteUint32Le(records, uint32(n))
	return int32(longest + 3*binary.MaxVarintLen64)
}

func (h *host) readNextRecord(_ context.Context, m api.Module, _, timestamp, _, buffer, size uint32) int32 {
	// A null key, the value, no headers; the timestamp is 0, as Connect has it.
	record := binary.AppendVarint(nil, -1)
	record = binary.AppendVarint(record, int64(len(h.batch[0])))
	record = binary.AppendVarint(append(record, h.batch[0]...), 0)
	if len(record) > int(size) {
		return invalidBuffer
	}
	h.batch = h.batch[1:]
	m.Memory().WriteUint64Le(timestamp, 0)
	m.Memory().Write(buffer, record)
	return int32(len(record))
}

func (h *host) writeRecord(_ context.Context, m api.Module, address, size uint32) int32 {
	record, ok := m.Memory().Read(address, size)
	if !ok {
		return invalidBuffer
	}
	_, rest := sized(record)
	value, rest := sized(rest)
	headers, n := binary.Varint(rest)
	switch {
	case headers > 0:
		_, rest = sized(rest[n:])
		state, _ := sized(rest)
		h.alerts[string(state)]++
	case bytes.Contains(value, []byte(`"action":"connection-limit-exceeded"`)):
		h.events++
	default:
		h.passed++
	}
	return int32(size)
}

// sized takes bytes behind their length off the front.
func sized(record []byte) (part, rest []byte) {
	size, n := binary.Varint(record)
	size = max(size, 0)
	return record[n : n+int(size)], record[n+int(size):]
}

func run(module []byte, h *host) error {
	ctx := context.Background()
	engine := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(brokerPages))
	defer engine.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, engine)
	withOptions := func(context.Context, api.Module, uint32, uint32, uint32, uint32) int32 { return invalidBuffer }
	_, err := engine.NewHostModuleBuilder("redpanda_transform").
		NewFunctionBuilder().WithFunc(func() {}).Export("check_abi_version_2").
		NewFunctionBuilder().WithFunc(h.readBatchHeader).Export("read_batch_header").
		NewFunctionBuilder().WithFunc(h.readNextRecord).Export("read_next_record").
		NewFunctionBuilder().WithFunc(h.writeRecord).Export("write_record").
		NewFunctionBuilder().WithFunc(withOptions).Export("write_record_with_options").
		Instantiate(ctx)
	if err != nil {
		return err
	}
	config := wazero.NewModuleConfig().WithStartFunctions().WithEnv("REDPANDA_OUTPUT_TOPIC_0", "output_0").WithStderr(os.Stderr)
	guest, err := engine.InstantiateWithConfig(ctx, module, config)
	if err != nil {
		return err
	}
	_, err = guest.ExportedFunction("_start").Call(ctx)
	return err
}

func check(modulePath, logPath string) error {
	module, err := os.ReadFile(modulePath)
	if err != nil {
		return err
	}
	file, err := os.Open(logPath)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	h, refusals := host{alerts: map[string]int{}}, 0
	for scanner := bufio.NewScanner(unpacked); scanner.Scan(); {
		line := bytes.Clone(scanner.Bytes())
		if bytes.Contains(line, []byte("Maximum number of connections")) {
			refusals++
		}
		h.lines = append(h.lines, line)
	}
	lines := len(h.lines)
	if err = run(module, &h); err != nil {
		return err
	}
	fmt.Printf("wazero: %d lines, %d refusals; %d passed, %d events went on, alerts %v\n", lines, refusals, h.passed, h.events, h.alerts)
	if h.passed != lines-refusals || h.events == 0 || h.events >= refusals || h.alerts["start"] == 0 {
		return fmt.Errorf("every line without a refusal must pass, and a flood must be held back with an alert in its place")
	}
	return nil
}

func main() {
	// Both are `make wazero`'s.
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "wazero:", err)
		os.Exit(1)
	}
}
