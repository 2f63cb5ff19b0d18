package main

import "strings"

// nearest gives the known word that was most likely meant, or nothing.
func nearest(word string, known []string) string {
	best, distance := "", len(word)/3+2
	for _, one := range known {
		if d := edits(strings.ToLower(word), one); d < distance {
			best, distance = one, d
		}
	}
	return best
}

// edits counts the letters to insert, delete or change from a to b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
