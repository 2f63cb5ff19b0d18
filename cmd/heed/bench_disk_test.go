package main

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// TestBenchDisk measures what a person and a delivery take on disk, and how fast
// an ended campaign is pruned to its sums while another goes out.
func TestBenchDisk(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		b := openBench(t, benchPlan{engine: engine, people: messages()})
		b.receive(t, mailertest.Options{})
		sizes := []int64{b.size(t)}
		b.serve(t, 10)
		took := b.campaign(t)
		b.stop(t) // which writes SQLite's log back
		sizes = append(sizes, b.size(t))
		b.serve(t, 10)
		pruned, rate := b.prunes(t, "1")
		people := float64(b.people)
		report(t, []figure{
			measured(t, engine+", disk per person", float64(sizes[0])/people),
			measured(t, engine+", disk per delivery", float64(sizes[1]-sizes[0])/people),
			measured(t, engine+", deliveries pruned while sending", pruned),
			measured(t, engine+", rate of sending while pruning, ratio to before", rate/(people/took.Seconds())),
		})
	})
}

// size is what the database takes on disk.
func (b *benched) size(t *testing.T) (n int64) {
	t.Helper()
	folder := filepath.Join(b.heed.folder, "data")
	if b.cluster != nil {
		if err := b.cluster.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(b.cluster.Files(), "base")
	}
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		about, err := entry.Info()
		if err == nil {
			n += about.Size()
		}
		return nil // one may be gone by now
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// prunes prunes a campaign while the next is sent; both as so many a second.
func (b *benched) prunes(t *testing.T, id string) (pruned, sent float64) {
	t.Helper()
	next, before, began := b.draft(t), b.sink.Count(), time.Now()
	b.run(t, "campaign", "start", next)
	b.arrives(t, before, 1)
	from := time.Now()
	gone, err := ask[struct{ Pruned int }](t.Context(), b.heed, "campaign", "prune", id, "--early")
	if err != nil || gone.Pruned != b.people {
		t.Fatalf("%+v, %v", gone, err)
	}
	pruned = float64(gone.Pruned) / time.Since(from).Seconds()
	b.arrives(t, before, b.people)
	sent = float64(b.people) / time.Since(began).Seconds()
	after, err := b.status(t.Context(), id)
	if err != nil || after.Audience != b.people || after.Accepted != b.people {
		t.Fatalf("the account of what was pruned: %+v, %v", after, err)
	}
	return pruned, sent
}
