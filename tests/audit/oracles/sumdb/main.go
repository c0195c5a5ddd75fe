// Reads a log of C2SP tlog-tiles with the packages of Go's checksum database, and does what standard input asks:
//
//	record INDEX            make the inclusion proof from the tiles, and check it for the entry in the bundle
//	proof FILE              check a .tlog-proof that the platform made
//	grown SIZE              make the consistency proof from the tiles, and check it
//	consistency FILE ROOT   check a consistency proof that the platform made, from the old root in base64
//	tiles                   make all tiles anew from the entries, and compare each byte, and the root
//
// The arguments are a folder or an http address with checkpoint and tile/ below it, and the log's verifier key.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

type source string

// hashes are stored in the order that tlog.StoredHashIndex gives.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) (found []tlog.Hash, err error) {
	for _, index := range indexes {
		found = append(found, h[index])
	}
	return found, nil
}

func (s source) read(path string) ([]byte, error) {
	if !strings.HasPrefix(string(s), "http://") {
		return os.ReadFile(filepath.Join(string(s), path))
	}
	answer, err := http.Get(string(s) + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func (s source) Height() int { return 8 }

func (s source) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles reads what Go calls tile/8/0/000 and C2SP tile/0/000.
func (s source) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := s.read(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (s source) entry(index, size int64) ([]byte, error) {
	tile := tlog.Tile{H: 8, L: -1, N: index / width, W: width}
	if rest := size - tile.N*width; rest < width {
		tile.W = int(rest)
	}
	bundle, err := s.read(strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1))
	if err != nil {
		return nil, err
	}
	for at := int64(0); len(bundle) >= 2; at++ {
		length := int(binary.BigEndian.Uint16(bundle))
		if len(bundle) < 2+length {
			break
		}
		if at == index%width {
			return bundle[2 : 2+length], nil
		}
		bundle = bundle[2+length:]
	}
	return nil, fmt.Errorf("%s: no entry %d", tile.Path(), index)
}

func parseHash(encoded string) (hash tlog.Hash, err error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil && copy(hash[:], raw) != tlog.HashSize {
		err = fmt.Errorf("%q is no hash", encoded)
	}
	return hash, err
}

func parseHashes(lines []string) (hashes []tlog.Hash, err error) {
	for _, line := range lines {
		hash, err := parseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func openTree(signed string, verifiers note.Verifiers) (tree tlog.Tree, err error) {
	opened, err := note.Open([]byte(signed), verifiers)
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = parseHash(lines[2])
	return tree, err
}

// split reads a file of a head, an empty line and a checkpoint.
func split(path string, verifiers note.Verifiers) (head []string, tree tlog.Tree, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, tree, err
	}
	parts := strings.SplitN(string(raw), "\n\n", 2)
	tree, err = openTree(parts[1], verifiers)
	return strings.Split(parts[0], "\n"), tree, err
}

type checker struct {
	log       source
	tree      tlog.Tree
	verifiers note.Verifiers
}

func (c checker) read() tlog.HashReader { return tlog.TileHashReader(c.tree, c.log) }

func (c checker) record(index int64) error {
	entry, err := c.log.entry(index, c.tree.N)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveRecord(c.tree.N, index, c.read())
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, c.tree.N, c.tree.Hash, index, tlog.RecordHash(entry))
}

func (c checker) proof(path string) error {
	head, tree, err := split(path, c.verifiers)
	if err != nil {
		return err
	}
	envelope, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(head[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(head[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	steps, err := parseHashes(head[3:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(steps, tree.N, tree.Hash, index, tlog.RecordHash(envelope))
}

func (c checker) grown(old int64) error {
	before, err := tlog.TreeHash(old, c.read())
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(c.tree.N, old, c.read())
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, c.tree.N, c.tree.Hash, old, before)
}

func (c checker) consistency(path, oldRoot string) error {
	head, tree, err := split(path, c.verifiers)
	if err != nil {
		return err
	}
	old, err := strconv.ParseInt(strings.TrimPrefix(head[0], "old "), 10, 64)
	if err != nil {
		return err
	}
	before, err := parseHash(oldRoot)
	if err != nil {
		return err
	}
	steps, err := parseHashes(head[1:])
	if err != nil {
		return err
	}
	return tlog.CheckTree(steps, tree.N, tree.Hash, old, before)
}

func (c checker) tiles() error {
	var stored hashes
	for index := int64(0); index < c.tree.N; index++ {
		entry, err := c.log.entry(index, c.tree.N)
		if err != nil {
			return err
		}
		more, err := tlog.StoredHashes(index, entry, stored)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	if root, err := tlog.TreeHash(c.tree.N, stored); err != nil || root != c.tree.Hash {
		return fmt.Errorf("the entries have the root %v (%v)", root, err)
	}
	for _, tile := range tlog.NewTiles(8, 0, c.tree.N) {
		if tile.W != width && int64(tile.W) != c.tree.N>>uint(8*tile.L)%width {
			continue // a partial tile of a smaller tree, which a log may delete
		}
		ours, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			return err
		}
		theirs, err := c.log.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return err
		}
		if !bytes.Equal(ours, theirs[0]) {
			return fmt.Errorf("%s is another", tile.Path())
		}
	}
	return nil
}

func (c checker) do(words []string) error {
	switch words[0] {
	case "tiles":
		return c.tiles()
	case "proof":
		return c.proof(words[1])
	case "consistency":
		return c.consistency(words[1], words[2])
	}
	number, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	if words[0] == "record" {
		return c.record(number)
	}
	return c.grown(number)
}

func main() {
	log.SetFlags(0)
	verifier, err := note.NewVerifier(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	c := checker{log: source(os.Args[1]), verifiers: note.VerifierList(verifier)}
	signed, err := c.log.read("checkpoint")
	if err != nil {
		log.Fatal(err)
	}
	if c.tree, err = openTree(string(signed), c.verifiers); err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := c.do(strings.Fields(lines.Text())); err != nil {
			log.Fatalf("%s: %v", lines.Text(), err)
		}
	}
	fmt.Println("sound", c.tree.N)
}
