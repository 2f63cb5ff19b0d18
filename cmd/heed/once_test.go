package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOnceOutlivesAKill: requests with their keys are cut off by kill -9 and sent
// again to the next process; each has done its work once, and only once.
func TestOnceOutlivesAKill(t *testing.T) {
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	d := &driver{binary: binary, folder: folder, env: []string{"HEED_CONFIG=" + folder + "/heed.toml", "HEED_DATA=" + folder + "/data", "LISTEN=" + listen, "LOG_FORMAT=json"}}
	d.put(t, "heed.toml", doorsConfig+"[api]\nrate = 100000\n")
	made, err := ask[struct{ Token string }](t.Context(), d, "token", "create", "x", "--scope", "admin")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listen
	serve := func() *child {
		c, err := d.start("serve")
		if err == nil {
			err = responds(t.Context(), url+"/readyz", time.Minute)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const n = 60
	first := serve()
	answered := postAll(url, made.Token, n, func(done int) {
		if done == n/3 {
			first.kill() // in the middle of the others
		}
	})
	second := serve()
	defer func() { _ = second.stop(30 * time.Second) }()
	if again := postAll(url, made.Token, n, func(int) {}); again != n {
		t.Errorf("sent again, %d of %d were answered", again, n)
	}
	all, err := askAll[struct{ ID, Name string }](t.Context(), d, "campaign", "list")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, one := range all {
		names[one.Name]++
	}
	if len(all) != n || len(names) != n || answered >= n {
		t.Errorf("%d requests, of which %d were answered before the kill, made %d campaigns of %d names", n, answered, len(all), len(names))
	}
}

// postAll stores n campaigns at once, each with its key, and gives how many were
// answered as stored.
func postAll(url, token string, n int, after func(done int)) (stored int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	places := make(chan bool, 6)
	for i := range n {
		all.Go(func() {
			places <- true
			defer func() { <-places }()
			body := fmt.Sprintf(`{"source":"---\nname: n%d\nsubject: s\ntopic: news\n---\nHello"}`, i)
			r, err := http.NewRequest(http.MethodPost, url+"/v1/campaigns", strings.NewReader(body))
			if err != nil {
				return
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", fmt.Sprint("k", i))
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return // cut off
			}
			answer.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			if answer.StatusCode == http.StatusCreated {
				stored++
				after(stored)
			}
		})
	}
	all.Wait()
	return stored
}
