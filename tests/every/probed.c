// A program with a function to probe, built in each of the ways in which programs are laid out.
__attribute__((noinline)) int eunomia_probed(int number)
{
    asm volatile("" : "+r"(number));
    return number + 6;
}

int main(int argc, char **argv)
{
    return eunomia_probed(argc);
}
