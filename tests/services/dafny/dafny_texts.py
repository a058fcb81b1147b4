"""Programs of the tests of this folder."""

ABS = """method Abs(x: int) returns (y: int)
  ensures x >= 0 ==> y == x
  ensures x < 0 ==> y == -x
{
  if x < 0 { y := -x; } else { y := x; }
}
"""
SORTED = """predicate sorted(a: seq<int>)
{
  forall i, j :: 0 <= i < j < |a| ==> a[i] <= a[j]
}

method Insert(a: seq<int>, x: int) returns (b: seq<int>)
  requires sorted(a)
  ensures sorted(b)
  ensures multiset(b) == multiset(a) + multiset{x}
"""
