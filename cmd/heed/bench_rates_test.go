package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// TestBenchSQLite and TestBenchPostgres measure campaigns from their start to the
// last message that the server took, beside Postfix's smtp-source on the same
// server in the same run: these machines are noisy, so ratios count.
func TestBenchSQLite(t *testing.T) {
	storetest.Need(t, "smtp-source")
	b := openBench(t, benchPlan{engine: "sqlite", people: messages()})
	figures := append(b.unsigned(t, 10), b.unsigned(t, 50)...)
	plain := figures[0].Value
	figures = append(figures, b.ed25519(t, plain), b.rsa(t))
	for _, connections := range []int{10, 50} {
		figures = append(figures, b.distant(t, connections)...)
	}
	report(t, figures)
}

func TestBenchPostgres(t *testing.T) {
	storetest.Need(t, "smtp-source")
	b := openBench(t, benchPlan{engine: "postgres", people: messages()})
	report(t, append(b.unsigned(t, 10), b.unsigned(t, 50)...))
}

// unsigned runs campaign and smtp-source in turn.
func (b *benched) unsigned(t *testing.T, connections int) []figure {
	t.Helper()
	b.receive(t, mailertest.Options{})
	b.serve(t, connections)
	defer b.stop(t)
	var ours, theirs, cpu, beside []float64
	for range runs() {
		used, others := processCPU(b.child.cmd.Process.Pid), familyCPU(b.postgres)
		ours = append(ours, float64(b.people)/b.campaign(t).Seconds())
		cpu = append(cpu, (processCPU(b.child.cmd.Process.Pid)-used)/float64(b.people)*1000)
		beside = append(beside, (familyCPU(b.postgres)-others)/float64(b.people)*1000)
		theirs = append(theirs, b.source(t, connections))
	}
	name := fmt.Sprintf("%s, %d connections", b.engine, connections)
	figures := []figure{
		measured(t, name, median(ours)),
		measured(t, name+", smtp-source", median(theirs)),
		measured(t, name+", ratio to smtp-source", median(ours)/median(theirs)),
		measured(t, name+", CPU of heed per 1,000 messages", median(cpu)),
	}
	if b.postgres != 0 {
		figures = append(figures, measured(t, name+", CPU of PostgreSQL per 1,000 messages", median(beside)))
	}
	return figures
}

// rates runs campaigns and gives messages a second.
func (b *benched) rates(t *testing.T, connections int) (all []float64) {
	t.Helper()
	b.serve(t, connections)
	defer b.stop(t)
	for range runs() {
		all = append(all, float64(b.people)/b.campaign(t).Seconds())
	}
	return all
}

// ed25519 compares signed messages with unsigned ones.
func (b *benched) ed25519(t *testing.T, plain float64) figure {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.receive(t, mailertest.Options{})
	b.signs(t, key)
	defer b.configure(t, "")
	return measured(t, b.engine+", 10 connections, signed Ed25519, ratio to unsigned", median(b.rates(t, 10))/plain)
}

// rsa compares signed messages with what the machine can sign at all, over as many
// connections as share the other costs best.
func (b *benched) rsa(t *testing.T) figure {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b.receive(t, mailertest.Options{})
	b.signs(t, key)
	defer b.configure(t, "")
	before := signatures(t, key)
	signed := median(b.rates(t, 50))
	most := float64(runtime.NumCPU()) * (before + signatures(t, key)) / 2
	return measured(t, b.engine+", 50 connections, signed RSA-2048, ratio to cores x crypto/rsa", signed/most)
}

// signs configures a DKIM key.
func (b *benched) signs(t *testing.T, key crypto.Signer) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "dkim.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	b.configure(t, fmt.Sprintf("dkim = [{ selector = \"bench\", key_file = %q }]\n", filepath.Join(b.heed.folder, "dkim.pem")))
}

// signatures is what one core signs in a second.
func signatures(t *testing.T, key *rsa.PrivateKey) float64 {
	t.Helper()
	digest := sha256.Sum256([]byte("a message"))
	n, began := 0, time.Now()
	for ; time.Since(began) < 2*time.Second; n++ {
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
			t.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// distant sends to a relay that is 5 ms away and takes 3 ms at the end of each
// message, beside a bare sender with the same verbs.
func (b *benched) distant(t *testing.T, connections int) []figure {
	t.Helper()
	b.receive(t, mailertest.Options{Latency: 5 * time.Millisecond, EndDelay: 3 * time.Millisecond})
	b.serve(t, connections)
	defer b.stop(t)
	var ours, theirs []float64
	for range runs() {
		ours = append(ours, float64(b.people)/b.campaign(t).Seconds())
		theirs = append(theirs, bareSender(t, b.sink.Addr(), connections, b.people/5)) // it only waits: its rate does not vary
	}
	name := fmt.Sprintf("%s, %d connections, relay 5 ms away", b.engine, connections)
	return []figure{
		measured(t, name, median(ours)),
		measured(t, name+", bare sender", median(theirs)),
		measured(t, name+", ratio to a bare sender", median(ours)/median(theirs)),
	}
}
