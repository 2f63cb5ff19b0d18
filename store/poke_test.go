package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestPokesCrossProcesses opens a database twice, as two processes do.
func TestPokesCrossProcesses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { pokesCross(t, "sqlite:"+filepath.Join(t.TempDir(), "heed.db")) })
	t.Run("postgres", func(t *testing.T) { pokesCross(t, storetest.QuickPostgres(t)) })
}

func pokesCross(t *testing.T, url string) {
	ctx, cancel := context.WithCancel(context.Background())
	options := store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys")}
	here, err := store.Open(ctx, options)
	must(t, err)
	defer here.Close()
	there, err := store.Open(ctx, options)
	must(t, err)
	defer there.Close()
	must(t, here.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product"}}, nil))
	listening := make(chan error, 1)
	go func() { listening <- here.Listen(ctx) }()
	for try := 0; ; try++ {
		poked := here.Poked()
		id, _, err := there.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
		must(t, err)
		must(t, there.Start(ctx, id))
		select {
		case <-poked:
		case <-time.After(200 * time.Millisecond):
			if try == 20 {
				t.Fatal("no poke arrived in 4 s")
			}
			continue // the listener may not be there yet
		}
		break
	}
	cancel()
	must(t, <-listening)
}
