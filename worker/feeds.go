package worker

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/store"
)

// lookAtFeeds is how often it is looked whether a partner's file is old.
const lookAtFeeds = time.Second

// tendFeeds keeps the files of the partners up to date until ctx ends. Each
// worker writes its own, so that the file is right on every machine.
func (w *Worker) tendFeeds(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lookAtFeeds)
		defer tick.Stop()
		written := map[string]int64{}
		for {
			for _, one := range w.Partners {
				if one.File == "" || ctx.Err() != nil {
					continue
				}
				if err := w.tendFeed(ctx, one, written); err != nil && ctx.Err() == nil {
					w.Log.Error("feed_failed", "partner", one.ID, "error", err)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return done
}

// tendFeed writes a file that this worker has not written, or whose version it
// has not.
func (w *Worker) tendFeed(ctx context.Context, p Partner, written map[string]int64) error {
	f, err := w.Store.FeedOf(ctx, p.ID)
	if err != nil {
		return err
	}
	if version, is := written[p.ID]; is && version == f.Version {
		return nil
	}
	people, err := WriteFeedFile(ctx, w.Store, p, p.File)
	if err != nil {
		return err
	}
	if err := w.Store.FeedBuilt(ctx, p.ID, f.Version, people); err != nil {
		return err
	}
	written[p.ID] = f.Version
	if !f.Since.IsZero() {
		w.figures.feedAge.Observe(w.Now().Sub(f.Since).Seconds())
	}
	w.Log.Info("feed_built", "partner", p.ID, "people", people)
	return nil
}

// WriteFeedFile writes who shares with a partner into a file, whole or not at
// all, and gives how many they are.
func WriteFeedFile(ctx context.Context, s *store.Store, p Partner, path string) (people int, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".feed")
	if err != nil {
		return 0, fmt.Errorf("writing the feed of %s: %w", p.ID, err)
	}
	defer os.Remove(f.Name())
	people, err = writeFeed(ctx, s, p, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, fmt.Errorf("writing the feed of %s: %w", p.ID, err)
	}
	return people, os.Rename(f.Name(), path)
}

func writeFeed(ctx context.Context, s *store.Store, p Partner, to io.Writer) (people int, err error) {
	buffered := bufio.NewWriter(to)
	w := csv.NewWriter(buffered)
	if err := w.Write(append([]string{"email"}, p.Fields...)); err != nil {
		return 0, err
	}
	const page = 250
	for after := int64(0); ; {
		some, last, err := s.FeedPage(ctx, p.ID, after, page)
		if err != nil {
			return people, err
		}
		for _, one := range some {
			if err := w.Write(feedRow(one, p.Fields)); err != nil {
				return people, err
			}
		}
		people += len(some)
		if after = last; last == 0 {
			break
		}
	}
	w.Flush()
	return people, errors.Join(w.Error(), buffered.Flush())
}

// FeedFields are what a partner's purpose may need beside the address.
func FeedFields() []string { return []string{"first_name", "last_name", "company", "language"} }

// feedRow gives the address and the fields of a partner, and nothing else. What
// a spreadsheet would take for a formula is text.
func feedRow(one store.Shared, fields []string) []string {
	values := map[string]string{"first_name": one.FirstName, "last_name": one.LastName, "company": one.Company, "language": one.Language}
	row := []string{plainCell(one.Email)}
	for _, field := range fields {
		row = append(row, plainCell(values[field]))
	}
	return row
}

func plainCell(text string) string {
	if text != "" && (text[0] == '=' || text[0] == '+' || text[0] == '-' || text[0] == '@' || text[0] == '\t' || text[0] == '\r') {
		return "'" + text
	}
	return text
}

// newFeedAge measures from the ledger's row to the file that obeys it.
func newFeedAge() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "heed_feed_seconds", Help: "Time from the first change of a sharing choice to the partner's file that obeys it.",
		Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 60, 120, 600}})
}
