package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"heed/store"
)

const backupKeyHint = "heed key backup FILE makes a pair of keys; backup_recipients gets the public one, and the file goes to where restores are made"

// backupKeys are those to which backups are encrypted; none: they are not.
func (c *config) backupKeys() ([]store.BackupKey, error) {
	var lines []string
	apart := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	for _, one := range strings.FieldsFunc(c.value("HEED_BACKUP_RECIPIENTS"), apart) {
		text, err := c.backupKey(one)
		if err != nil {
			return nil, hinted(err, "backup_recipients takes public keys, which begin with age1, and names of files that hold some, one a line")
		}
		lines = append(lines, text)
	}
	if len(lines) == 0 {
		return nil, nil
	}
	keys, err := store.ParseBackupKeys(strings.Join(lines, "\n"))
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", c.where("HEED_BACKUP_RECIPIENTS"), err), backupKeyHint)
	}
	return keys, nil
}

// backupKey gives a key as it stands there, or those of a file. A secret one that
// was put there by mistake goes on to where it is refused, and into no error.
func (c *config) backupKey(one string) (string, error) {
	if strings.HasPrefix(one, "age1") || strings.HasPrefix(one, "AGE-SECRET-KEY-") {
		return one, nil
	}
	if c.From["HEED_BACKUP_RECIPIENTS"].from == "file" {
		one = c.relative(one)
	}
	text, err := os.ReadFile(one)
	if err != nil {
		return "", fmt.Errorf("reading the keys to which backups are encrypted: %w", err)
	}
	return string(text), nil
}

// checkBackupKeys finds what would keep heed backup from working.
func (c *config) checkBackupKeys() error {
	_, err := c.backupKeys()
	return err
}

// backupAdvice is empty where backups are encrypted.
func (c *config) backupAdvice() string {
	if keys, err := c.backupKeys(); err == nil && len(keys) == 0 {
		return "backups are not encrypted: whoever gets hold of one can read it; " + backupKeyHint
	}
	return ""
}

// backups says whether copies that leave this machine can be read by others.
func (e *examination) backups() error {
	const check = "backups"
	keys, err := e.c.backupKeys()
	switch {
	case err != nil:
		return nil // told with the configuration
	case len(keys) == 0:
		return e.tellFinding(findingView{check, true, "they are not encrypted: whoever gets hold of one can read it", backupKeyHint})
	}
	return e.well(check, "they are encrypted to %d keys: %s", len(keys), strings.Join(shortKeys(keys), ", "))
}

// shortKeys shows as much of each as tells them apart.
func shortKeys(keys []store.BackupKey) (all []string) {
	for _, one := range keys {
		text := one.String()
		if len(text) > 20 {
			text = text[:20] + "…"
		}
		all = append(all, text)
	}
	return all
}
